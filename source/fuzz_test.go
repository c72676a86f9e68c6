package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
)

// FuzzFrame compares framing with the standard library's decoder: what that reads as a sequence of
// objects, the framer must find at the same places, however the input arrives.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		result1 + "\n" + control + "\n" + result2, pretty + pretty, pretty2, late + "\r\n\r\n" + result1, result1 + result2,
		"\xef\xbb\xbf" + result1, "{}{}", `{"a":"}\n{"}`, `{"a":[1,{"b":"\\"}]} {}`, result1[:50] + "\n" + result2, "x" + result1,
		spaced + "\n" + spoofed + spaced, result2 + "}\n" + result1, result2 + "1}}\n" + result1,
	} {
		f.Add([]byte(seed), uint8(7))
	}
	f.Fuzz(func(t *testing.T, input []byte, step uint8) {
		got, _ := frames(t, input, int(step)+1, 1<<20)
		want, exact := oracle(input)
		if !exact {
			return
		}
		if len(got) < len(want) {
			t.Fatalf("%d frames, want at least %d\n got %q\nwant %q", len(got), len(want), got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("frame %d in steps of %d:\n got %q\nwant %q", i, int(step)+1, got[i], want[i])
			}
		}
	})
}

// oracle reads objects until something that is none. The last object before that is left out: what
// follows it on its line may belong to it, and is then rejected with it. exact is false where nothing can
// be compared. The framer's rules differ on purpose where a line that begins a chunk inside an object ends
// that object, and where depth is bounded.
func oracle(input []byte) (list []string, exact bool) {
	input = bytes.TrimPrefix(input, byteOrder)
	d := json.NewDecoder(bytes.NewReader(input))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return list, true
		}
		text := bytes.TrimSpace(raw)
		if err != nil || text[0] != '{' || bytes.Contains(text, append([]byte("\n"), chunkPrefix...)) || depth(text) > maxDepth {
			return list[:max(len(list)-1, 0)], len(list) > 1
		}
		list = append(list, string(text))
	}
}

func depth(text []byte) (deepest int) {
	d := json.NewDecoder(bytes.NewReader(text))
	for n := 0; ; {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			n++
			deepest = max(deepest, n)
		case json.Delim('}'), json.Delim(']'):
			n--
		}
	}
}

// FuzzScrub holds the scrubber to its promise: no twelve characters of the secret survive, wherever the
// text around it begins and ends.
func FuzzScrub(f *testing.F) {
	f.Add("GET /x?access_token=", " HTTP/1.1", uint8(0), uint8(36))
	f.Add("", "", uint8(3), uint8(20))
	const secret = "a1b2c3d4-e5f6-7890-abcd-ef0123456789"
	token := NewToken(secret)
	f.Fuzz(func(t *testing.T, before, after string, from, to uint8) {
		i, j := int(from)%len(secret), int(to)%(len(secret)+1)
		if i > j {
			i, j = j, i
		}
		text := before + secret[i:j] + after
		got := token.Scrub(text)
		for k := 0; k+leakLength <= len(secret); k++ {
			if bytes.Contains([]byte(got), []byte(secret[k:k+leakLength])) {
				t.Fatalf("%q became %q", text, got)
			}
		}
	})
}

// FuzzEnvelope feeds hostile answers to everything that reads them.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"status_code":"0","result_tasks":{"tasks":[{"id":"x","processed":1.0,"ready":"7","progress":"0.5","creation_date":"2024-01-02T03:04:05.678Z"}]}}`))
	f.Add([]byte(`{"status_code":8,"result_error":{"data":[{"key":"stream_id","value":["a",1,null]}]}}`))
	f.Add([]byte(`{"status_code":"0","result_stream":{"collectors":{"collector_id":1e400,"collector_query":{"a":[[]]}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &Client{token: NewToken("0123456789abcdef")}
		o, err := c.envelope("GET /x", 200, text)
		if err != nil && len(err.Error()) > 2*maxText {
			t.Fatalf("a message of %d bytes", len(err.Error()))
		}
		tasksOf(o)
		collectorsOf(o.object("result_stream"))
		inspect(text)
		controlOffset(text)
		errorCode(text)
		errorText(text)
	})
}
