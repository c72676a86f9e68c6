package main

import (
	"path/filepath"
	"testing"

	"tw2parquet/bench/compare/duck"
)

// TestPeers_Verdict holds what is said of a peer's files against files that DuckDB wrote.
func TestPeers_Verdict(t *testing.T) {
	ownTest(t)
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // nothing was written
	p := peer{name: "somebody", files: "*.parquet"}
	found := func(query string) rows {
		t.Helper()
		out := t.TempDir()
		if err := db.Exec(t.Context(), "COPY ("+query+") TO "+duck.Quote(filepath.Join(out, "documents.parquet"))); err != nil {
			t.Fatal(err)
		}
		got, err := p.rows(t.Context(), out)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const all = "SELECT if(i % 7 = 0, NULL, 'https://example.org/' || i) AS url FROM range(100) r(i)"
	want := found(all)
	for query, verdict := range map[string]string{
		all:                                      right,
		all + " ORDER BY i DESC":                 right,
		all + " UNION ALL " + all + " WHERE i<9": "9 documents too many",
		all + " WHERE i>=9":                      "9 documents too few",
		"(" + all + " WHERE i<99) UNION ALL (" + all + " WHERE i=1)": "other documents",
	} {
		if got := found(query).verdict(want); got != verdict {
			t.Errorf("%s: %q, not %q", query, got, verdict)
		}
	}
	if _, err := p.rows(t.Context(), t.TempDir()); err == nil {
		t.Error("no file is no error")
	}
}
