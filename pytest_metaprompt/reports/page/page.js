"use strict";
// Everything that a model or a user wrote is put in as text, never as markup.
(() => {
  const CHUNK = 200;
  const MARKS = { passed: "✓", failed: "✗", error: "!", skipped: "–" };
  const TONES = { passed: "good", failed: "bad", error: "warn", skipped: "mute" };
  const report = JSON.parse(document.getElementById("report").textContent);
  const find = (id) => document.getElementById(id);
  const list = find("cases"), search = find("search"), outcome = find("outcome"), suite = find("suite");
  const tag = find("tag"), count = find("count"), more = find("more");

  const make = (name, className, text) => {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const rows = report.suites.flatMap((one) => one.cases.map((found) => ({ suite: one, found, haystack: null })));

  const said = (attempt) => [...(attempt.messages || []), ...(attempt.transcript || [])];

  const haystack = (row) => {
    if (row.haystack === null) {
      const parts = [row.found.id, row.suite.path, ...row.found.tags];
      for (const attempt of row.found.attempts) {
        parts.push(attempt.text, attempt.error || "", ...attempt.verdicts.map((verdict) => verdict.reason));
        for (const message of said(attempt)) parts.push(message.content);
        for (const call of attempt.tool_calls) parts.push(call.name, JSON.stringify(call.arguments));
      }
      row.haystack = parts.join("\n").toLowerCase();
    }
    return row.haystack;
  };

  const outcomeOf = (attempt) => {
    if (attempt.skipped) return "skipped";
    if (attempt.error !== null && attempt.error !== undefined) return "error";
    return attempt.passed ? "passed" : "failed";
  };

  const message = (role, text, className) => {
    const node = make("div", `message ${className || ""}`);
    node.append(make("span", "role", role), make("pre", "", text));
    return node;
  };

  const callText = (call) => `${call.name}(${typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments)})`;

  const lines = (difference) => {
    const node = make("div", "lines mono");
    for (const line of difference) {
      const kind = line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "";
      node.append(make("pre", kind, line));
    }
    return node;
  };

  const verdictNode = (verdict) => {
    const node = make("div", "verdict");
    node.append(make("span", verdict.passed ? "good" : "bad", verdict.passed ? "✓ holds" : "✗ fails"));
    const told = make("div");
    told.append(make("pre", "", `${verdict.type}${verdict.metric ? ` (${verdict.metric})` : ""}: ${verdict.reason}`));
    for (const child of verdict.children || []) told.append(verdictNode(child));
    node.append(told);
    return node;
  };

  const facts = (attempt) => {
    const parts = [`${attempt.latency_s.toFixed(2)} s`, `${attempt.usage.input_tokens} tokens in`, `${attempt.usage.output_tokens} out`];
    if (attempt.cost_usd !== null) parts.push(`$${attempt.cost_usd.toPrecision(3)}`);
    if (attempt.cached) parts.push("from the cache");
    if (attempt.finish_reason) parts.push(`finished: ${attempt.finish_reason}`);
    return parts.join(" · ");
  };

  const attemptNode = (attempt, index, total) => {
    const result = outcomeOf(attempt);
    const node = make("section", "attempt");
    if (total > 1) node.append(make("h3", TONES[result], `Attempt ${index + 1}: ${result}`));
    for (const one of said(attempt)) {
      const calls = (one.tool_calls || []).map((call) => callText(call.function || call));
      node.append(message(one.role, [one.content, ...calls].filter((text) => text).join("\n")));
    }
    if (!(attempt.transcript || []).length) {
      if (attempt.text) node.append(message("reply", attempt.text, "reply"));
      for (const call of attempt.tool_calls) node.append(message("tool call", callText(call), "reply"));
    }
    for (const note of attempt.notes || []) node.append(message("note", note, ""));
    if (attempt.error) node.append(message("error", attempt.error, "bad"));
    if (attempt.skipped) node.append(message("skipped", attempt.skipped));
    for (const verdict of attempt.verdicts) {
      node.append(verdictNode(verdict));
      if (verdict.difference) node.append(lines(verdict.difference));
    }
    node.append(make("p", "soft", facts(attempt)));
    return node;
  };

  const rateText = ({ rate }) =>
    `${rate.passed} of ${rate.total} answered attempts passed: ${rate.value.toFixed(2)} (95 %: ${rate.low.toFixed(2)}-${rate.high.toFixed(2)})`;

  const detailsNode = (row) => {
    const node = make("div", "details");
    if (row.found.rate.total > 1) node.append(make("p", "soft", rateText(row.found)));
    row.found.attempts.forEach((attempt, index) => node.append(attemptNode(attempt, index, row.found.attempts.length)));
    if (!row.found.attempts.length) node.append(make("p", "soft", row.found.reason || "not asked"));
    return node;
  };

  const toggle = (holder, button, row) => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) holder.lastChild.remove();
    else holder.append(detailsNode(row));
  };

  const changesOf = ({ suite: { baseline }, found }) => {
    if (!baseline) return [];
    const words = { worse: baseline.regressions, better: baseline.improvements };
    return Object.keys(words).filter((word) => words[word].includes(found.id));
  };

  const rowNode = (row) => {
    const { found } = row;
    const holder = make("div", "case");
    const button = make("button");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    const name = make("span", "name");
    name.append(make("span", "", found.id));
    if (report.suites.length > 1) name.append(make("span", "tag", row.suite.path));
    if (found.stability === "flaky") name.append(make("span", "tag flaky", `flaky ${found.rate.passed}/${found.rate.total}`));
    if (found.now && found.now !== found.outcome) name.append(make("span", `tag ${TONES[found.now]}`, found.now === "passed" ? "repaired" : `${found.now} after the repair`));
    for (const word of changesOf(row)) name.append(make("span", `tag ${word === "worse" ? "bad" : "good"}`, word));
    for (const one of found.tags) name.append(make("span", "tag", one));
    const attempts = make("span", "attempts");
    for (const attempt of found.attempts) {
      const result = outcomeOf(attempt);
      const cell = make("span", result, MARKS[result]);
      cell.title = result;
      attempts.append(cell);
    }
    button.append(make("span", TONES[found.outcome], found.outcome), name, attempts, make("span", "score", found.score.toFixed(2)));
    button.addEventListener("click", () => toggle(holder, button, row));
    holder.append(button);
    return holder;
  };

  const isTrouble = (row) => row.found.outcome === "failed" || row.found.outcome === "error";
  let shown = [], drawn = 0;

  const draw = () => {
    const part = document.createDocumentFragment();
    for (const row of shown.slice(drawn, drawn + CHUNK)) part.append(rowNode(row));
    drawn = Math.min(drawn + CHUNK, shown.length);
    list.append(part);
    more.hidden = drawn >= shown.length;
    more.textContent = `Show ${Math.min(CHUNK, shown.length - drawn)} more of ${shown.length - drawn}`;
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter((word) => word);
    shown = rows.filter((row) =>
      (!outcome.value || row.found.outcome === outcome.value || row.found.stability === outcome.value || (outcome.value === "trouble" && isTrouble(row))) &&
      (!suite.value || row.suite.path === suite.value) &&
      (!tag.value || row.found.tags.includes(tag.value)) &&
      words.every((word) => haystack(row).includes(word)));
    list.replaceChildren();
    drawn = 0;
    count.textContent = `${shown.length} of ${rows.length} cases`;
    draw();
  };

  const choices = (select, values) => {
    for (const value of values) {
      const option = make("option", "", value);
      option.value = value;
      select.append(option);
    }
    select.hidden = values.length < 2 && select !== tag || !values.length;
  };

  const move = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...list.querySelectorAll(".case > button")];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    if (step > 0 && at === buttons.length - 1 && !more.hidden) draw();
    const next = list.querySelectorAll(".case > button")[at + step];
    if (next) next.focus();
  };

  choices(suite, [...new Set(report.suites.map((one) => one.path))]);
  choices(tag, [...new Set(rows.flatMap((row) => row.found.tags))].sort());
  for (const control of [search, outcome, suite, tag]) control.addEventListener("input", filter);
  more.addEventListener("click", draw);
  list.addEventListener("keydown", move);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    }
  });
  if (rows.some(isTrouble)) outcome.value = "trouble";
  filter();
})();
