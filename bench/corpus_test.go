package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// pinned is the sha256 of the stream of Corpus{Seed: 1, Results: 2000}. It changes only on purpose: figures
// measured before and after a change of the corpus cannot be compared.
const pinned = "ee9341932a8b43c34fbf67cfdb54944dcb2c75ac8df4ae600108fdb8c2458c49"

func stream(t testing.TB, c Corpus) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := c.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) {
		t.Fatalf("WriteTo says %d bytes, wrote %d", n, b.Len())
	}
	return b.Bytes()
}

func TestCorpus_NeverChanges(t *testing.T) {
	sum := sha256.Sum256(stream(t, Corpus{Seed: 1, Results: 2000}))
	if got := hex.EncodeToString(sum[:]); got != pinned {
		t.Errorf("corpus of seed 1 is %s, was %s", got, pinned)
	}
}

// pinnedRich is the same of Corpus{Seed: 1, Kind: Rich, Results: 2000}.
const pinnedRich = "b2bb3bd171f5ab432cc58df2bdce06c368d9618fb865a5f5777c8e919076ab1d"

func TestCorpus_RichNeverChanges(t *testing.T) {
	whole := stream(t, Corpus{Seed: 1, Kind: Rich, Results: 2000, ControlEvery: -1})
	sum := sha256.Sum256(whole)
	if got := hex.EncodeToString(sum[:]); got != pinnedRich {
		t.Errorf("rich corpus of seed 1 is %s, was %s", got, pinnedRich)
	}
	begun := stream(t, Corpus{Seed: 1, Kind: Rich, Results: 700, ControlEvery: -1})
	begun = begun[:bytes.LastIndexByte(begun[:len(begun)-1], '\n')+1] // without its last control chunk
	if !bytes.HasPrefix(whole, begun) {
		t.Error("a corpus of more results does not start with those of a smaller one")
	}
}

// TestCorpus_RichHoldsWhatTheWebHas counts, in documents as encoding/json reads them, what the plain mix lacks.
func TestCorpus_RichHoldsWhatTheWebHas(t *testing.T) {
	chunks, err := Corpus{Seed: 5, Kind: Rich, Results: 4000}.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	languages, closings := map[string]int{}, map[string]map[string]bool{} // last paragraph: hosts
	found := map[string]int{}
	texts := 0
	for i, chunk := range chunks {
		doc := members(t, chunk)
		text, _ := doc["content"].(string)
		languages[doc["lang"].(string)]++
		if text == "" {
			continue
		}
		texts++
		for name, is := range map[string]bool{
			"hashtag": strings.Contains(text, " #"), "mention": strings.Contains(text, "@"), "link": strings.Contains(text, "https://"),
			"emoji": strings.ContainsAny(text, "😀🔥🎉😂🚀👀🙏😍👏"), "reply": strings.HasPrefix(text, "> "),
		} {
			if is {
				found[name]++
			}
		}
		if at := strings.LastIndex(text, "\n\n"); at > 0 && slices.Equal(doc["source_type"].([]any), []any{"BLOG", "BLOG_OTHER"}) {
			last := text[at:]
			if closings[last] == nil {
				closings[last] = map[string]bool{}
			}
			closings[last][doc["host_url"].(string)] = true
		}
		if strings.Contains(text, "\ufffd") || !utf8.ValidString(text) {
			t.Errorf("result %d: a text was torn", i)
		}
	}
	shared := 0
	for _, hosts := range closings {
		if len(hosts) > 4 {
			shared++
		}
	}
	for _, name := range []string{"hashtag", "mention", "link", "emoji", "reply"} {
		if found[name] < texts/50 {
			t.Errorf("%d texts of %d with %s", found[name], texts, name)
		}
	}
	if len(languages) < 10 || shared < 5 {
		t.Errorf("%d languages, %d notices that several sites share", len(languages), shared)
	}
}

func TestCorpus_RefusesUnknownKinds(t *testing.T) {
	if _, err := (Corpus{Kind: "podcast"}).WriteTo(io.Discard); err == nil {
		t.Error("no error")
	}
}

func TestCorpus_IsAStreamOfChunks(t *testing.T) {
	for _, kind := range append(Kinds(), Rich) {
		t.Run(string(kind), func(t *testing.T) {
			c := Corpus{Seed: 7, Kind: kind, Results: 210, ControlEvery: 100}
			lines := bytes.Split(stream(t, c), []byte("\n"))
			chunks, err := c.Chunks()
			if err != nil {
				t.Fatal(err)
			}
			var controls, results int
			var last string
			for i, line := range lines[:len(lines)-1] {
				var chunk struct {
					Type    string `json:"chunk_type"`
					Control struct {
						Offset string `json:"resume_offset"`
					} `json:"chunk_control"`
					Result struct {
						Data struct {
							Data        map[string]any   `json:"data"`
							Highlighted []map[string]any `json:"highlighted_data"`
						} `json:"data"`
					} `json:"chunk_result"`
				}
				if err := json.Unmarshal(line, &chunk); err != nil {
					t.Fatalf("line %d: %v\n%s", i, err, line)
				}
				switch last = chunk.Type; last {
				case "CT_CONTROL":
					if i == 0 && chunk.Control.Offset != "earliest" {
						t.Errorf("the first chunk echoes %q", chunk.Control.Offset)
					}
					controls++
				case "CT_RESULT":
					if !bytes.Equal(line, chunks[results]) {
						t.Fatalf("Chunks()[%d] is not line %d", results, i)
					}
					results++
					if len(chunk.Result.Data.Data) < 5 || len(chunk.Result.Data.Highlighted) != 1 {
						t.Errorf("line %d has %d members", i, len(chunk.Result.Data.Data))
					}
				default:
					t.Errorf("line %d: chunk type %q", i, last)
				}
			}
			if results != c.Results || controls != 4 || last != "CT_CONTROL" {
				t.Errorf("%d results, %d control chunks, last %s", results, controls, last)
			}
		})
	}
}

func TestCorpus_HoldsCopiesOfDocuments(t *testing.T) {
	for _, kind := range []Kind{Mix, Rich} {
		t.Run(string(kind), func(t *testing.T) { holdsCopies(t, kind) })
	}
}

func holdsCopies(t *testing.T, kind Kind) {
	chunks, err := Corpus{Seed: 3, Kind: kind, Results: 2000}.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	for i, chunk := range chunks {
		if !bytes.Contains(chunk, []byte(`"appearance":"NEW"`)) {
			continue
		}
		pairs++
		if i+1 == len(chunks) {
			break
		}
		first, second := members(t, chunk), members(t, chunks[i+1])
		for _, name := range []string{"url", "content", "published", "title"} {
			if first[name] != second[name] {
				t.Errorf("copies of result %d differ in %s", i, name)
			}
		}
		if _, ok := first["engagement"]; ok {
			t.Errorf("the NEW copy %d has counters", i)
		}
		if first["search_indexed"].(float64) <= second["search_indexed"].(float64) {
			t.Errorf("the NEW copy %d is not the later one in the index", i)
		}
	}
	if pairs < 40 {
		t.Errorf("%d pairs in 2000 results", pairs)
	}
}

func members(t *testing.T, chunk []byte) map[string]any {
	t.Helper()
	var c struct {
		Result struct {
			Data struct {
				Data map[string]any `json:"data"`
			} `json:"data"`
		} `json:"chunk_result"`
	}
	if err := json.Unmarshal(chunk, &c); err != nil {
		t.Fatal(err)
	}
	return c.Result.Data.Data
}

// TestCorpus_HasTheShapeOfAnExport holds line lengths and how well the stream compresses, which decide
// what a benchmark on it means.
func TestCorpus_HasTheShapeOfAnExport(t *testing.T) {
	chunks, err := Corpus{Seed: 1, Results: 20000}.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	var lengths []int
	sum := 0
	for _, chunk := range chunks {
		lengths = append(lengths, len(chunk))
		sum += len(chunk)
	}
	slices.Sort(lengths)
	for _, want := range []struct {
		name     string
		got      int
		from, to int
	}{
		{"mean", sum / len(lengths), 3500, 4400},
		{"p10", lengths[len(lengths)/10], 380, 520},
		{"p50", lengths[len(lengths)/2], 2600, 3500},
		{"p90", lengths[len(lengths)*9/10], 7300, 9500},
		{"p99", lengths[len(lengths)*99/100], 15000, 22000},
	} {
		if want.got < want.from || want.got > want.to {
			t.Errorf("%s of line lengths is %d, want %d to %d", want.name, want.got, want.from, want.to)
		}
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(3)), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	ratio := float64(sum) / float64(len(w.EncodeAll(bytes.Join(chunks, []byte("\n")), nil)))
	if ratio < 3 || ratio > 4 {
		t.Errorf("zstd 3 makes it %.2f times smaller, want 3 to 4", ratio)
	}
}

func BenchmarkCorpus(b *testing.B) {
	g, err := newGenerator(1, Mix)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 1<<20)
	size := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		buf = g.result(buf[:0])
		size += int64(len(buf))
	}
	b.SetBytes(size / int64(b.N))
}
