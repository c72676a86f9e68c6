// Numbers as the reader's language writes them. The page is whole without this.
for (const e of document.querySelectorAll(".n")) {
  for (const t of e.childNodes) {
    if (t.nodeType === Node.TEXT_NODE && /^-?\d{1,3}(,\d{3})*$/.test(t.data)) {
      t.data = Number(t.data.replaceAll(",", "")).toLocaleString();
    }
  }
}
