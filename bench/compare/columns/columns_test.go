package columns_test

import (
	"fmt"
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
	rows := values(t, file, columns.Leaves())
	if len(rows) != 1 {
		t.Fatalf("%d documents, want 1", len(rows))
	}
	got := map[string]string{}
	for path, v := range rows[0] {
		if strings.Trim(strings.ReplaceAll(v, duck.Null, ""), "[], ") != "" {
			got[path] = v
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

// TestLooseLeaves_TakeAbsentForEmpty compares a document without lists with one whose lists are empty.
func TestLooseLeaves_TakeAbsentForEmpty(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stream.jsonl")
	chunks := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{},"highlighted_data":[{"matched":{}}]}}}
{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"source_type":[],"images":[],"docscore":{}},"highlighted_data":[{"matched":{"rule_ids":[],"project_profiles":[]}}]}}}
`
	if err := os.WriteFile(file, []byte(chunks), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		leaves []columns.Leaf
		differ []string
	}{
		"strict": {columns.Leaves(), []string{"source_type", "docscore", "images[].url", "images[].legend", "images[].width", "images[].height",
			"highlighted_data[].matched.rule_ids", "highlighted_data[].matched.project_profiles[].id", "highlighted_data[].matched.project_profiles[].title",
			"highlighted_data[].matched.project_profiles[].category", "highlighted_data[].matched.project_profiles[].type"}},
		"loose": {columns.LooseLeaves(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			rows := values(t, file, tt.leaves)
			var differ []string
			for _, leaf := range tt.leaves {
				if rows[0][leaf.Path] != rows[1][leaf.Path] {
					differ = append(differ, leaf.Path)
				}
			}
			if d := cmp.Diff(tt.differ, differ); d != "" {
				t.Error(d)
			}
		})
	}
}

// values reads a file of chunks through Documents and returns each document's leaves by their paths, the product's
// own left out.
func values(t *testing.T, file string, leaves []columns.Leaf) []map[string]string {
	t.Helper()
	var list, paths []string
	for _, leaf := range leaves {
		if leaf.Path[0] != '_' {
			list = append(list, fmt.Sprintf("%s AS c%d", leaf.Expr, len(paths)))
			paths = append(paths, leaf.Path)
		}
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, rows, err := db.Text(t.Context(), "SELECT "+strings.Join(list, ", ")+" FROM ("+columns.Documents(file)+")")
	if err != nil {
		t.Fatal(err)
	}
	documents := make([]map[string]string, len(rows))
	for i, row := range rows {
		documents[i] = map[string]string{}
		for j, path := range paths {
			documents[i][path] = row[j]
		}
	}
	return documents
}
