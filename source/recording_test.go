package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// playBack reads a recording to its end.
func playBack(t *testing.T, r *Recording) (chunks []string, positions []Position, err error) {
	t.Helper()
	var b Batch
	first := int64(-1)
	for err = r.Next(t.Context(), &b); err == nil; err = r.Next(t.Context(), &b) {
		if first < 0 {
			first = b.First
		}
		if b.First != first+int64(len(chunks)) {
			t.Fatalf("batch begins at %d, want %d", b.First, first+int64(len(chunks)))
		}
		for _, c := range b.Chunks {
			chunks = append(chunks, c.Reject+string(b.Raw[c.Start:c.End]))
		}
		p, err := ParsePosition(b.Offset)
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, p)
	}
	if len(b.Chunks) > 0 {
		t.Fatal("the end comes with results")
	}
	return chunks, positions, err
}

func TestRecording_GoesOnFromEveryPosition(t *testing.T) {
	for _, input := range []string{
		result1 + "\n" + control + "\n" + result2 + "\nnonsense\n" + result1 + "\n" + result2[:30],
		control + result1 + result2[:40] + "\n" + result1 + "\n" + result2[:50] + "\n" + result2 + control,
		strings.Repeat(result1+"\n"+result2[:20]+"\n", 5) + "\n\n\n",
	} {
		for rows := 1; rows < 4; rows++ {
			limits := BatchLimits{MaxRows: rows, TargetRows: rows}
			whole := NewRecording(iotest.OneByteReader(strings.NewReader(input)), 0, limits)
			all, positions, err := playBack(t, whole)
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			for i, p := range positions {
				results := int64(min(len(all), rows*(i+1)))
				// Limits may have changed in between.
				rest := NewRecording(strings.NewReader(input), 0, BatchLimits{})
				if err := rest.Skip(t.Context(), p, results); err != nil {
					t.Fatalf("skip to %s in %q: %v", p, input, err)
				}
				tail, _, err := playBack(t, rest)
				if !errors.Is(err, io.EOF) || !slices.Equal(tail, all[results:]) {
					t.Fatalf("from %s: %v\n got %q\nwant %q", p, err, tail, all[results:])
				}
				if rest.Cut() != whole.Cut() || rest.Position() != whole.Position() {
					t.Errorf("from %s it ends at %s (%s), at once at %s (%s)", p, rest.Position(), rest.Cut(), whole.Position(), whole.Cut())
				}
				changed := strings.Replace(input, `"chunk_result"`, `"chunk_resulT"`, 1)
				for _, other := range []string{changed, input[:p.Byte-2], ""} {
					if err := NewRecording(strings.NewReader(other), 0, limits).Skip(t.Context(), p, results); !errors.Is(err, ErrOther) {
						t.Errorf("skip to %s of %q: %v", p, other, err)
					}
				}
			}
		}
	}
}

// TestRecording_TellsWhetherItIsCut cuts a recording at every byte. What a whole chunk is, and so where the
// cut may go unnoticed, is told by encoding/json.
func TestRecording_TellsWhetherItIsCut(t *testing.T) {
	lines := []string{control, result1, result2, control, result1, control}
	input := strings.Join(lines, "\n") + "\n"
	for n := range len(input) + 1 {
		var kept []string
		whole, d := n > 0, json.NewDecoder(strings.NewReader(input[:n]))
		for {
			var chunk struct {
				Type string `json:"chunk_type"`
			}
			from := d.InputOffset()
			if err := d.Decode(&chunk); err != nil {
				whole = whole && errors.Is(err, io.EOF)
				break
			}
			if whole = chunk.Type == "CT_CONTROL"; !whole {
				kept = append(kept, strings.TrimSpace(input[from:d.InputOffset()]))
			}
		}
		r := NewRecording(strings.NewReader(input[:n]), 0, BatchLimits{})
		got, _, err := playBack(t, r)
		if !errors.Is(err, io.EOF) || !slices.Equal(got, kept) || (r.Cut() == "") != whole {
			t.Errorf("cut at %d: %v, cut %q, want whole: %v\n got %q\nwant %q", n, err, r.Cut(), whole, got, kept)
		}
	}
	for input, want := range map[string]string{
		"":                       "empty",
		" \n\x00":                "empty",
		result1:                  "",
		result1 + "\n" + result2: "",
		result1 + "\nnonsense\n": "",
		control:                  "",
		control + result1 + `{"chunk_type":"CT_ERROR"}`:           "error",
		result1 + control + `{"chunk_type":"CT_ERROR"}`:           "error",
		result1 + control + `{"chunk_type":"CT_NEWS","x":1}`:      "",
		result1 + `{"chunk_type":"CT_ERROR"}` + result1 + control: "",
		control + result1 + "\nnonsense\n":                        "no control chunk",
	} {
		r := NewRecording(strings.NewReader(input), 0, BatchLimits{})
		_, _, err := playBack(t, r)
		if cut := r.Cut(); !errors.Is(err, io.EOF) || !strings.Contains(cut, want) || (want == "") != (cut == "") {
			t.Errorf("%q: %v, cut %q, want %q", input, err, cut, want)
		}
	}
}

// TestRecording_KeepsWhatCameBeforeTrouble ends a reader badly at every byte.
func TestRecording_KeepsWhatCameBeforeTrouble(t *testing.T) {
	input := control + "\n" + result1 + "\n" + result2 + "\n" + control + "\n"
	for _, trouble := range []error{io.ErrUnexpectedEOF, errors.New("checksum")} {
		for n := range len(input) {
			in := io.MultiReader(strings.NewReader(input[:n]), iotest.ErrReader(fmt.Errorf("x.gz: %w", trouble)))
			r := NewRecording(in, 0, BatchLimits{})
			got, _, err := playBack(t, r)
			want, _, _ := playBack(t, NewRecording(strings.NewReader(input[:n]), 0, BatchLimits{}))
			if !slices.Equal(got, want) {
				t.Errorf("after %d bytes: got %q, want %q", n, got, want)
			}
			if cut := errors.Is(trouble, io.ErrUnexpectedEOF); cut != errors.Is(err, io.EOF) || !cut && !errors.Is(err, trouble) || cut && r.Cut() == "" {
				t.Errorf("after %d bytes: %v, cut %q", n, err, r.Cut())
			}
		}
	}
}

func TestBeginnings_OfWhatIsCutAreAmongThoseOfTheWhole(t *testing.T) {
	input := []byte(control + "\n" + result1 + "\n" + result2 + "\nnonsense\n" + result1 + "\n" + control)
	whole, err := Beginnings(t.Context(), input)
	if err != nil || len(whole) != 4 {
		t.Fatal(len(whole), err)
	}
	for n := range input {
		cut, err := Beginnings(t.Context(), input[:n])
		if err != nil || !slices.Equal(cut, whole[:len(cut)]) {
			t.Errorf("%d bytes: %v, %d beginnings are not the first ones of the whole", n, err, len(cut))
		}
	}
	other, err := Beginnings(t.Context(), bytes.Replace(input, []byte(result1), []byte(result2), 1))
	if err != nil || slices.Contains(whole, other[0]) {
		t.Error("another first result has the same beginning")
	}
}

func TestParsePosition(t *testing.T) {
	p := Position{Byte: 1234567890123, Sum: 0xab}
	if got, err := ParsePosition(p.String()); got != p || err != nil {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "byte:", "byte:1", "byte:1:", "byte:-1:00000000", "byte:1:0", "byte:1:1ffffffff", "1:00000000", "byte:1:00000000x", "byte:01:00000000"} {
		if p, err := ParsePosition(bad); err == nil {
			t.Errorf("%q is %v", bad, p)
		}
	}
}
