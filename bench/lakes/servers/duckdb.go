package servers

import (
	"bytes"
	"context"
	_ "embed" // the script
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// script is what Python runs. DuckDB's extension comes from a package there, because nobody but its makers serves it.
//
//go:embed duckdb.py
var script string

// DuckDB asks it something over what is in a bucket of the server, and returns the rows of the last statement. It comes from the
// environment that `make lakes` makes; os.ErrNotExist if that is not there.
func (s *S3) DuckDB(ctx context.Context, sql string) (rows [][]any, err error) {
	dir, err := module(ctx)
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, ".venv", "bin", "python")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("DuckDB is not there; run make lakes: %w", err)
	}
	secret := fmt.Sprintf("CREATE SECRET (TYPE s3, KEY_ID '%s', SECRET '%s', REGION '%s', ENDPOINT '%s', URL_STYLE 'path', USE_SSL false);\n",
		AccessKey, SecretKey, Region, strings.TrimPrefix(s.Endpoint, "http://"))
	out, err := exec.CommandContext(ctx, program, "-c", script, secret+sql).Output()
	if err != nil {
		return nil, fmt.Errorf("ask DuckDB: %w", withOutput(err))
	}
	for line := range bytes.Lines(out) {
		var row []any
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("read DuckDB's answer: %w", err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}
