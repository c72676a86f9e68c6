package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tw2parquet/bench/compare/columns"
	"tw2parquet/bench/compare/duck"
)

// packages are the rivals that npm installs: what is pinned, and a program for each.
//
// The lock leaves out which Node Polars' binaries ask for (22): they run on 20 as well, and npm would leave them
// out without a word. `npm ci` cannot be used: chdb names packages of other systems that were never published,
// which it takes for an outdated lock.
//
//go:embed node/package.json node/package-lock.json node/chdb.mjs node/polars.mjs
var packages embed.FS

// job is what a rival's program is told.
type job struct {
	SQL      string         `json:"sql,omitempty"`
	In       string         `json:"in,omitempty"`
	Out      string         `json:"out,omitempty"`
	Level    int            `json:"level,omitempty"`
	RowGroup int            `json:"rowGroup,omitempty"`
	Beside   string         `json:"beside,omitempty"`
	Columns  []columns.Node `json:"columns,omitempty"`
}

// node makes a side of a rival that runs in Node, and installs it where it is not.
func (s *settings) node(ctx context.Context, side *side, input string) error {
	home, err := s.install(ctx, packages, "node", "chdb and Polars (some 700 MB)")
	if err != nil {
		return err
	}
	module := map[string]string{"chdb": "chdb", "polars": "nodejs-polars"}[side.name]
	if out, err := command(ctx, home, "node", "--input-type=module", "--eval", "import '"+module+"'"); err != nil {
		return fmt.Errorf("load %s: %w%s", module, err, out)
	}
	in, err := filepath.Abs(input)
	if err != nil {
		return err
	}
	out, err := filepath.Abs(filepath.Join(side.out, "data.parquet"))
	if err != nil {
		return err
	}
	var what job
	switch side.name {
	case "chdb":
		what.SQL = fmt.Sprintf("%s INTO OUTFILE %s FORMAT Parquet SETTINGS max_threads = %d, output_format_parquet_compression_method = 'zstd', "+
			"output_format_compression_level = %d, output_format_parquet_row_group_size = %d",
			columns.ClickHouse(in), duck.Quote(out), s.threads, s.level, tunedRowGroup)
		side.loose = true
		side.note = "ClickHouse inside Node; no _ordinal, _extra always null; absent lists, maps and objects become empty ones; row groups as DuckDB tuned (its own are 5 % smaller in size, not faster); page index, page checksums and Bloom filters too"
	case "polars":
		what = job{In: in, Out: out, Level: s.level, RowGroup: tunedRowGroup, Beside: columns.Beside, Columns: columns.Nodes()}
		side.replace = `REPLACE (docscore::JSON::MAP(VARCHAR, DOUBLE) AS docscore)`
		side.note = "inside Node; no _ordinal, _extra always null; docscore as JSON text (no map type); row groups as DuckDB tuned"
	}
	text, err := json.Marshal(what) //nolint:forbidigo // a program reads it, nobody else
	if err != nil {
		return err
	}
	file := s.at("job-" + side.name + ".json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	side.command = []string{"node", filepath.Join(home, side.name+".mjs"), file}
	side.env = []string{fmt.Sprintf("POLARS_MAX_THREADS=%d", s.threads)}
	return nil
}

// install puts packages into a folder named after what is in it, once, and returns it. from is where package.json
// lies.
func (s *settings) install(ctx context.Context, packages embed.FS, from, what string) (string, error) {
	files := map[string][]byte{}
	sum := sha256.New()
	err := fs.WalkDir(packages, from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := packages.ReadFile(name)
		files[d.Name()] = text
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
		return err
	})
	if err != nil {
		return "", err
	}
	base := s.cache
	if base == "" {
		if base, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("find a place for npm's packages (-cache names one): %w", err)
		}
		base = filepath.Join(base, "tw2parquet")
	}
	if base, err = filepath.Abs(base); err != nil {
		return "", err
	}
	home := filepath.Join(base, "compare-"+hex.EncodeToString(sum.Sum(nil))[:12])
	done := filepath.Join(home, "installed")
	if _, err := os.Stat(done); err == nil {
		return home, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(home, name), text, 0o644); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(s.stderr, "npm installs %s into %s\n", what, home)
	if out, err := command(ctx, home, "npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"); err != nil {
		return "", fmt.Errorf("npm install: %w%s", err, out)
	}
	return home, os.WriteFile(done, nil, 0o644)
}

// command runs a program and returns the last lines it printed, for an error message.
func command(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	return "\n" + strings.Join(lines[max(0, len(lines)-12):], "\n"), err
}
