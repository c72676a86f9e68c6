package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// frames runs the framer over input, step bytes at a time, and returns the text of every frame, rejects
// as "!reason:text".
func frames(t testing.TB, input []byte, step, maxDocument int) (list []string, rejects int) {
	t.Helper()
	r := bytes.NewReader(input)
	d := newFeed(func(p []byte) (int, error) { return r.Read(p[:min(len(p), step)]) }, BatchLimits{}.orDefault(), maxDocument)
	var b Batch
	for {
		fr, err := d.next(&b)
		if errors.Is(err, io.EOF) {
			return list, rejects
		}
		if err != nil {
			t.Fatal(err)
		}
		text := string(b.Raw[fr.start:fr.end])
		if want := input[fr.position : fr.position+int64(len(text))]; string(want) != text {
			t.Fatalf("position %d is wrong: %.60q there, %.60q in the frame", fr.position, want, text)
		}
		if fr.reject != "" {
			rejects++
			text = "!" + fr.reject + ":" + text
		}
		list = append(list, text)
		b.add(fr, fr.reject)
	}
}

const (
	result1 = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/1","title":"a \"b\" {c} \\"}}}}`
	result2 = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/2"}}}}`
	control = `{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"Eg","collector_id":"x"}}`
	pretty  = "{\n  \"chunk_type\" : \"CT_RESULT\",\n  \"chunk_result\" : {\n    \"data\" : { \"data\" : { \"a\" : [ 1, {} ] } }\n  }\n}"
	late    = `{"chunk_result":{"data":{"data":{"chunk_type":"CT_CONTROL"}}},"chunk_type":"CT_RESULT"}`
	spaced  = `{ "chunk_type": "CT_RESULT",	"chunk_result" : {"data": {"data": {"a": [{"b": 1}, {"c": "}, {"}], "d": {"e": {} } }}}}`
	spoofed = `{"chunk_type": "CT_RESULT", "chunk_result": {"data": {"data": {"a": 1}}}, "chunk_type": "CT_CONTROL", "x": {"y": {}}}`
	pretty2 = "{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{\"a\":{}}\n,\"b\":1}"
)

func TestFramer_FindsObjectsInEveryForm(t *testing.T) {
	tests := []struct {
		name, input string
		want        []string
	}{
		{"lines", result1 + "\n" + control + "\n" + result2 + "\n", []string{result1, control, result2}},
		{"missing last newline", result1 + "\n" + result2, []string{result1, result2}},
		{"CRLF and blank lines", result1 + "\r\n\r\n \n\n" + result2 + "\r\n", []string{result1, result2}},
		{"several on a line", result1 + result2 + " " + control + "\t" + result1, []string{result1, result2, control, result1}},
		{"pretty", pretty + "\n" + result1 + "\n" + pretty, []string{pretty, result1, pretty}},
		{"only the first line looks whole", pretty2 + "\n" + result1, []string{pretty2, result1}},
		{"byte order mark", "\xef\xbb\xbf" + result1 + "\n", []string{result1}},
		{"NULs between", result1 + "\x00\x00\n\x00" + result2, []string{result1, result2}},
		{"type last", late + "\n", []string{late}},
		{"blanks inside", spaced + "\n" + control + "\n" + spaced + spaced + "\n" + spaced, []string{spaced, control, spaced, spaced, spaced}},
		{"a second type behind blanks", spoofed + "\n" + result1, []string{spoofed, result1}},
		{"nothing", "", nil},
		{"blank", "\n\n  \r\n", nil},
		{"braces in text", `{"chunk_type":"CT_RESULT","chunk_result":{"s":"} {\"} {"}}` + "\n" + result2,
			[]string{`{"chunk_type":"CT_RESULT","chunk_result":{"s":"} {\"} {"}}`, result2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 2, 3, 7, 64, 1 << 20} {
				got, _ := frames(t, []byte(tt.input), step, 1<<20)
				if fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Fatalf("in steps of %d:\n got %q\nwant %q", step, got, tt.want)
				}
			}
		})
	}
}

func TestFramer_GivesUpOnlyWhatIsBroken(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	tests := []struct {
		name, bad string
		reason    string
	}{
		{"broken off in an object", `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"x"`, "broken off"},
		{"a brace is missing", result1[:len(result1)-1], "broken off"},
		{"broken off in a string", `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"x`, "line break inside a string"},
		{"broken off after a backslash", `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"x\`, "line break inside a string"},
		{"text lines", "<html>", "not a JSON object"},
		{"a number", "123", "not a JSON object"},
		{"nested too deep", `{"chunk_type":"CT_RESULT","x":` + deep + `}`, "nested deeper"},
		{"opened without end", `{"chunk_type":"CT_RESULT","x":` + strings.Repeat("[", 100_000), "nested deeper"},
		{"too large", `{"chunk_type":"CT_RESULT","x":"` + strings.Repeat("x", 3<<20) + `"}`, "larger than"},
		{"too large on a plain line", `{"chunk_type":"CT_RESULT","chunk_result":{"x":"` + strings.Repeat("x", 3<<20) + `"}}`, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			input := result1 + "\n" + tt.bad + "\n" + result2 + "\n" + control + "\n"
			for _, step := range []int{1, 13, 100_000, 1 << 30} {
				if step == 1 && len(input) > 1<<20 {
					continue
				}
				got, rejects := frames(t, []byte(input), step, 2<<20)
				if len(got) != 4 || rejects != 1 || got[0] != result1 || got[2] != result2 || got[3] != control {
					t.Fatalf("in steps of %d: neighbours suffered: %d frames, %d rejects, %.200q", step, len(got), rejects, got)
				}
				if !strings.HasPrefix(got[1], "!") || !strings.Contains(got[1][:min(len(got[1]), 60)], tt.reason) {
					t.Fatalf("in steps of %d: reason is %.60q, want %q", step, got[1], tt.reason)
				}
			}
		})
	}
}

func TestFramer_TooLargeStaysInBoundedMemory(t *testing.T) {
	const maxDocument = 2 << 20
	head := `{"chunk_type":"CT_RESULT","chunk_result":{"x":"`
	input := io.MultiReader(strings.NewReader(head), io.LimitReader(endless('x'), 128<<20), strings.NewReader("\"}}\n"+result2+"\n"))
	r := NewRecording(input, maxDocument, BatchLimits{})
	var b Batch
	if err := r.Next(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Chunks) != 2 || b.Chunks[0].Reject == "" || b.Chunks[1].Reject != "" {
		t.Fatalf("chunks: %+v", b.Chunks)
	}
	if n := b.Chunks[0].End - b.Chunks[0].Start; n != keepRejected {
		t.Errorf("kept %d bytes of the large document, want %d", n, keepRejected)
	}
	if want := int64(len(head) + 128<<20 + 4); b.Chunks[1].Position != want {
		t.Errorf("position after it: %d, want %d", b.Chunks[1].Position, want)
	}
	if cap(b.Raw) > 16<<20 {
		t.Errorf("the buffer grew to %d MiB", cap(b.Raw)>>20)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestFramer_IdleBlankLinesTakeNoMemory(t *testing.T) {
	input := io.MultiReader(strings.NewReader(result1+"\n"), io.LimitReader(endless('\n'), 64<<20), strings.NewReader(result2))
	var b Batch
	if err := NewRecording(input, 0, BatchLimits{}).Next(t.Context(), &b); err != nil || len(b.Chunks) != 2 {
		t.Fatal(err, b.Chunks)
	}
	if cap(b.Raw) > 4<<20 {
		t.Errorf("the buffer grew to %d bytes", cap(b.Raw))
	}
}

// A string full of line breaks must not be searched for its end again at each of them.
func TestFramer_IsLinearOnHostileText(t *testing.T) {
	for name, unit := range map[string]string{"line breaks": "\n", "backslashes": `\\`, "escaped quotes": `\"`, "braces": "}", "brackets": "[", "junk": "x{"} {
		t.Run(name, func(t *testing.T) {
			input := `{"chunk_type":"CT_RESULT","chunk_result":{"x":"` + strings.Repeat(unit, 4<<20/len(unit))
			frames(t, []byte(input), 1<<30, 64<<20)
			frames(t, []byte(input), readSize, 64<<20)
		})
	}
}

// Text that quotes chunks does not make a line anything but the result it begins as; a second type does, behind the first.
func TestFramer_TellsResultsByTheLine(t *testing.T) {
	const quoted = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"content":"} {\"chunk_type\":\"CT_CONTROL\"} \\"}}`
	for _, test := range []struct {
		line string
		kind chunkKind
		told bool
	}{
		{quoted + `}`, kindResult, true},
		{quoted + " \t}\r", kindResult, true},
		{quoted + `,"chunk_type":"CT_CONTROL"}`, kindControl, false},
		{quoted + ` ,"chunk_error":{}}`, kindResult, false},
		{quoted + `} {"chunk_type":"CT_CONTROL"}`, kindResult, false},
	} {
		text := []byte(test.line + "\n" + control + "\n")
		f := framer{max: 1 << 20}
		fr, ok := f.next(text, true)
		object := text[fr.start:fr.end]
		if !ok || fr.result != test.told || fr.reject != "" || inspect(object) != test.kind || !json.Valid(object) {
			t.Errorf("%q: %+v", test.line, fr)
		}
	}
}

func TestInspect(t *testing.T) {
	tests := []struct {
		text string
		want chunkKind
	}{
		{result1, kindResult},
		{control, kindControl},
		{pretty, kindResult},
		{late, kindResult},
		{spaced, kindResult},
		{spoofed, kindControl},
		{`{"chunk_type":"CT_ERROR"}`, kindError},
		{`{"chunk_type":"CT_NEWS","x":1}`, kindUnknown},
		{`{"chunk_type":"CT_CONTROL","a":{},"chunk_type":"CT_RESULT"}`, kindResult},
		{`{"CHUNK_TYPE":"CT_CONTROL","chunk_type":"CT_RESULT","Chunk_Type":"CT_CONTROL"}`, kindResult},
		{`{"CHUNK_TYPE":"CT_RESULT"}`, kindBroken},
		{`{"chunk\u005ftype":"CT\u005fRESULT"}`, kindResult},
		{`{"data":{"chunk_type":"CT_RESULT"}}`, kindBroken},
		{`{"data":"\"chunk_type\":\"CT_RESULT\""}`, kindBroken},
		{`{"status_code":"8","status_message":"x"}`, kindEnvelope},
		{`{"status_code":"8","chunk_type":"CT_RESULT"}`, kindResult},
		{`{"chunk_type":7}`, kindBroken},
		{`{"chunk_type":"CT_RESULT"`, kindBroken},
		{`{"chunk_type" "CT_RESULT"}`, kindBroken},
		{`{}`, kindBroken},
	}
	for _, tt := range tests {
		if got := inspect([]byte(tt.text)); got != tt.want {
			t.Errorf("inspect(%s) = %d, want %d", tt.text, got, tt.want)
		}
	}
}

func TestControlOffset(t *testing.T) {
	wrap := func(offset string) []byte {
		text, _ := json.Marshal(map[string]any{"chunk_type": "CT_CONTROL", "chunk_control": map[string]any{"resume_offset": offset}})
		return text
	}
	for _, good := range []string{"earliest", "EgXAbCdEfG", "a&b=c#d%e", strings.Repeat("x", maxOffset)} {
		if got, problem := controlOffset(wrap(good)); got != good || problem != "" {
			t.Errorf("%.20q: got %.20q, %s", good, got, problem)
		}
	}
	for _, bad := range []string{"", "a\nb", "a\x00b", "\x7f", strings.Repeat("x", maxOffset+1)} {
		if got, problem := controlOffset(wrap(bad)); got != "" || problem == "" {
			t.Errorf("%.20q was taken", bad)
		}
	}
}

func TestErrorCode(t *testing.T) {
	for text, want := range map[string]int{
		`{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"24","status_message":"x"}}`: 24,
		`{"chunk_type":"CT_ERROR","chunk_error":{"code":9}}`:                                9,
		`{"chunk_type":"CT_ERROR","error_code":"8"}`:                                        8,
		`{"chunk_type":"CT_ERROR","message":"failed with code 25, sorry"}`:                  25,
		`{"chunk_type":"CT_ERROR","chunk_error":{"code":777}}`:                              -1,
		`{"chunk_type":"CT_ERROR","message":"something else 24"}`:                           -1,
		`{"chunk_type":"CT_ERROR"}`:                                                         -1,
	} {
		if got := errorCode([]byte(text)); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}
