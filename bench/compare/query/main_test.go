package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		args         []string
		code         int
		stdout, fail string
	}{
		"table":        {[]string{"SELECT 1 AS n, 'ä\nb' AS text, [1, NULL] AS list ORDER BY 1;"}, 0, "n  text  list\n─  ────  ─────────\n1  ä⏎b   [1, NULL]\n(1 row)\n", ""},
		"from first":   {[]string{"FROM range(2) SELECT range::TIMESTAMPTZ IS NULL AS never"}, 1, "", "Conversion"},
		"no rows":      {[]string{"SELECT 1 AS n WHERE false"}, 0, "n\n─\n(0 rows)\n", ""},
		"wrong query":  {[]string{"SELECT nothing"}, 1, "", "nothing"},
		"no query":     {nil, 2, "", "usage"},
		"no subquery":  {[]string{"PRAGMA version"}, 0, "", ""},
		"long is cut":  {[]string{"SELECT repeat('x', 100) AS x"}, 0, "x\n" + strings.Repeat("─", 60) + "\n" + strings.Repeat("x", 59) + "…\n(1 row)\n", ""},
		"null is NULL": {[]string{"SELECT NULL AS x"}, 0, "x\n────\nNULL\n(1 row)\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args, &stdout, &stderr)
			if code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			if tt.stdout != "" && stdout.String() != tt.stdout {
				t.Errorf("printed\n%s\nwant\n%s", &stdout, tt.stdout)
			}
			if !strings.Contains(stderr.String(), tt.fail) {
				t.Errorf("error %q, want %q in it", &stderr, tt.fail)
			}
		})
	}
}
