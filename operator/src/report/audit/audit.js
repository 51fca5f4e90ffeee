"use strict";
(() => {
  const form = document.getElementById("filter");
  const found = document.getElementById("found");
  const nothing = document.getElementById("nothing");
  const controls = [...document.querySelectorAll("section.control")].map((section) => ({
    section,
    head: section.querySelector("header").textContent.toLowerCase(),
    rows: [...section.querySelectorAll("tbody")].map((body) => ({ body, text: body.textContent.toLowerCase() })),
  }));
  const groups = [...document.querySelectorAll("section.clauses table")].map((table) => ({
    table,
    rows: [...table.querySelectorAll("tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase() })),
  }));
  const apply = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { verdict, severity, outcome } = Object.fromEntries(new FormData(form));
    const has = (text) => words.every((word) => text.includes(word));
    let shown = 0;
    for (const { section, head, rows } of controls) {
      const severe = !severity || section.dataset.severity === severity;
      let some = 0;
      for (const { body, text } of rows) {
        const fits = severe && (!outcome || body.dataset.outcome === outcome) && has(head + " " + text);
        body.hidden = !fits;
        some += fits;
      }
      section.hidden = some === 0;
      shown += some;
    }
    for (const { table, rows } of groups) {
      let some = 0;
      for (const { row, text } of rows) {
        const fits = (!verdict || row.dataset.verdict === verdict) && has(text);
        row.hidden = !fits;
        some += fits;
      }
      table.hidden = some === 0;
    }
    found.textContent = String(shown);
    nothing.hidden = shown > 0;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
