package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// FuzzInspect holds the telling of chunk kinds against encoding/json: of every valid object they
// find the same top-level chunk_type, whatever a document inside it says.
func FuzzInspect(f *testing.F) {
	for _, seed := range []string{
		`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"chunk_type":"CT_CONTROL"}}}}`,
		`{"chunk_control":{"resume_offset":"x"},"chunk_type":"CT_CONTROL"}`,
		`{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"9"}}`,
		`{"chunk_type":"CT_NEW"}`, `{"CHUNK_TYPE":"CT_RESULT"}`, `{"chunk_type":null}`, `{"chunk_type":["CT_RESULT"]}`,
		`{"chunk\u005ftype":"CT_\u0052ESULT"}`, `{"chunk_type":"CT_RESULT","chunk_type":"CT_CONTROL"}`,
		`{"status_code":"8","status_message":"x"}`, `{"status_code":0,"chunk_type":"CT_RESULT"}`,
		` { "a" : [ { "chunk_type" : "CT_ERROR" } , "}" ] , "chunk_type" : "CT_RESULT" } `, `{}`, `{"a":"\\\"{"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := inspect(text) // must not panic on anything
		trimmed := bytes.TrimSpace(text)
		if !json.Valid(text) || len(trimmed) == 0 || trimmed[0] != '{' {
			return
		}
		if want := kindByJSON(t, text); got != want {
			t.Errorf("%q is of kind %d, encoding/json says %d", text, got, want)
		}
	})
}

// kindByJSON walks the top level with encoding/json's tokens.
func kindByJSON(t *testing.T, text []byte) chunkKind {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	kind, found := kindBroken, false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			if _, tooBig := err.(*json.UnmarshalTypeError); !tooBig { //nolint:errorlint // a number beyond float64, returned as it is
				t.Fatal(err)
			}
		}
		switch key {
		case "chunk_type":
			found = true
			s, isString := value.(string)
			switch {
			case !isString:
				kind = kindBroken
			case s == "CT_RESULT":
				kind = kindResult
			case s == "CT_CONTROL":
				kind = kindControl
			case s == "CT_ERROR":
				kind = kindError
			default:
				kind = kindUnknown
			}
		case "status_code":
			if !found {
				kind = kindEnvelope
			}
		}
	}
	return kind
}

// What is in a chunk of an unknown type is lost, so it is told: once for each read, in words that cannot hurt.
func TestStream_TellsOfWhatItSkips(t *testing.T) {
	q := newQueue(t, 10, 2)
	q.spoil = func(_ int, body []byte) (int, []byte) {
		return 200, bytes.ReplaceAll(body, []byte("\n{"), []byte("\n"+`{"x":{"chunk_type":"CT_RESULT"},"chunk_type":"CT_\u001b[31mNEWS`+testToken+`"}`+"\n{"))
	}
	var log bytes.Buffer
	c := q.client(t, nil)
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	rows, _, err := drain(t, c, q.config())
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	checkRows(t, rows, 0, 10)
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "chunks=16 ") || !strings.Contains(log.String(), "CT_") || strings.Contains(log.String(), "\x1b") {
		t.Errorf("told: %s", &log)
	}
	checkNoLeak(t, log.String())
}
