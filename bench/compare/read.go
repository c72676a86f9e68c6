package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tw2parquet/bench/compare/columns"
	"tw2parquet/schema"
)

// smallReader is a reader that knows few encodings: hyparquet, pinned to a version that reads the delta encodings
// in version 2 data pages only, as larger readers do.
//
//go:embed readers/package.json readers/package-lock.json readers/hyparquet.mjs
var smallReader embed.FS

// read has hyparquet read what the product wrote with either choice of encodings, and compares every value with
// what DuckDB reads. It fails if the default cannot be read.
func (s *settings) read(ctx context.Context) error {
	home, err := s.install(ctx, smallReader, "readers", "hyparquet")
	if err != nil {
		return err
	}
	s.sides = "tw2parquet,compact"
	return s.each(func(s *settings) error {
		return s.prepared(ctx, func(sides []*side, _ int64) error {
			for _, side := range sides {
				leaves, err := s.readWith(ctx, home, side)
				var refused *refusedError
				switch {
				case errors.As(err, &refused) && side.name == "compact":
					fmt.Fprintf(s.stdout, "hyparquet refuses %s: %s\n", side.name, refused.why)
				case err != nil:
					return err
				default:
					fmt.Fprintf(s.stdout, "hyparquet reads of %s the same values as DuckDB in all %d columns\n", side.name, leaves)
				}
			}
			return nil
		})
	})
}

// refusedError is what a reader said.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return "hyparquet refuses the file: " + e.why }

// readWith makes hyparquet print the documents of a side as the API sends them, DuckDB a file of those, and
// compares it with the side's.
func (s *settings) readWith(ctx context.Context, home string, written *side) (leaves int, err error) {
	files, err := filepath.Glob(filepath.Join(written.out, "*.parquet"))
	if err != nil {
		return 0, err
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			return 0, err
		}
	}
	var texts []string // columns that hold JSON
	for _, leaf := range columns.Leaves() {
		if leaf.Type == schema.JSON {
			texts = append(texts, leaf.Path)
		}
	}
	text, err := json.Marshal(map[string]any{"files": files, "beside": columns.Beside, "json": texts}) //nolint:forbidigo // another program reads it
	if err != nil {
		return 0, err
	}
	back := &side{name: "hyparquet", out: s.at("out-hyparquet")}
	if err := errors.Join(os.RemoveAll(back.out), os.MkdirAll(back.out, 0o755)); err != nil {
		return 0, err
	}
	if !s.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(back.out)) }()
	}
	job, stream := filepath.Join(back.out, "job.json"), filepath.Join(back.out, "stream.jsonl")
	if err := os.WriteFile(job, text, 0o600); err != nil {
		return 0, err
	}
	out, err := os.Create(stream)
	if err != nil {
		return 0, err
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, "node", filepath.Join(home, "hyparquet.mjs"), job)
	cmd.Stdout, cmd.Stderr = out, &complaint
	ran := cmd.Run()
	if err := out.Close(); err != nil {
		return 0, err
	}
	if ran != nil {
		for line := range strings.Lines(complaint.String()) {
			if why, ok := strings.CutPrefix(strings.TrimSpace(line), "Error: "); ok {
				return 0, &refusedError{why}
			}
		}
		return 0, fmt.Errorf("run hyparquet: %w\n%s", ran, complaint.String())
	}
	if err := copyDocuments(ctx, stream, back.out, "*", "COMPRESSION zstd"); err != nil {
		return 0, err
	}
	return verify(ctx, written, back, s.results)
}
