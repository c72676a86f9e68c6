package columns_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tw2parquet/bench/compare/columns"
	"tw2parquet/bench/compare/duck"
)

// TestDocuments_ReadsWhatLeavesName runs both halves against each other on one chunk.
func TestDocuments_ReadsWhatLeavesName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stream.jsonl")
	chunks := `{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"earliest"}}
{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u","published":1704067200123,"images":[{"url":"a","width":3},{"url":"b"}],"docscore":{"avee":1},"extra_author_attributes":{"birthdate":{"date":"1990"}}},"highlighted_data":[{"matched":{"project_profiles":[{"id":"p1"},{"id":"p2"}]}}]}}}
`
	if err := os.WriteFile(file, []byte(chunks), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec(t.Context(), "CREATE TABLE documents AS "+columns.Documents(file)); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, leaf := range columns.Leaves() {
		if leaf.Path[0] == '_' {
			continue
		}
		_, rows, err := db.Text(t.Context(), "SELECT "+leaf.Expr+" AS v FROM documents")
		if err != nil {
			t.Fatalf("%s: %v", leaf.Path, err)
		}
		if len(rows) != 1 {
			t.Fatalf("%d documents, want 1", len(rows))
		}
		if strings.Trim(strings.ReplaceAll(rows[0][0], duck.Null, ""), "[], ") != "" {
			got[leaf.Path] = rows[0][0]
		}
	}
	want := map[string]string{
		"url": "u", "published": "2024-01-01 00:00:00.123+00", "images[].url": "[a, b]", "images[].width": "[3, NULL]",
		"docscore": "{avee=1.0}", "extra_author_attributes.birthdate.date": "1990",
		"highlighted_data[].matched.project_profiles[].id": "[[p1, p2]]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
