package decode_test

import (
	"strings"
	"testing"
)

// claim says what becomes of members that are not as usual.
type claim struct {
	name    string
	members string  // of the document
	ask     string  // the member to look at
	ours    string  // what we answer, and everyone who is not among the others
	others  answers // of rivals, by name
}

type answers map[string]string

const (
	refused = "refused"
	none    = "none"

	// fillers stands for everyone who fills structs and is not named.
	fillers = "fillers"
	sonic0  = "sonic"
	fastest = "sonic-fastest"
	simd    = "simdjson-tape"
	fast    = "fastjson-tree"
)

// TestClaims holds the table in the package comment to what the libraries do as they are called here. A new
// version of one may break a row: then the row, the table and the figures all need a look.
func TestClaims(t *testing.T) {
	for _, r := range rivals() {
		if r.refused != "" {
			t.Logf("%s is not asked: %s", r.name, r.refused)
			continue
		}
		for _, c := range claims() {
			d := r.open()
			got := refused
			err := d.decode([]byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{` + c.members + "}}}}"))
			switch {
			case err == nil && c.ask == "reach":
				got = d.number(c.ask)
			case err == nil:
				got = d.text(c.ask)
			}
			if want := c.want(r.name, d); got != want {
				t.Errorf("%s, %s: %s, want %s", r.name, c.name, got, want)
			}
		}
	}
}

func (c claim) want(name string, d decoder) string {
	if want, ok := c.others[name]; ok {
		return want
	}
	if _, fills := d.(*structs); fills {
		if want, ok := c.others[fillers]; ok {
			return want
		}
	}
	return c.ours
}

func claims() []claim {
	const (
		one      = `"one"`
		replaced = "\"a\ufffdb\"" // one U+FFFD between a and b
		twice    = "\"a\ufffd\ufffdb\""
	)
	deep := func(levels int) string {
		return `"url":"one","new":` + strings.Repeat("[", levels) + strings.Repeat("]", levels)
	}
	return []claim{
		// Text.
		{"invalid UTF-8", "\"url\":\"a\xffb\"", "url", replaced,
			answers{sonic0: `"a\xffb"`, fastest: `"a\xffb"`, simd: `"a\xffb"`, fast: `"a\xffb"`}},
		{"overlong UTF-8", "\"url\":\"a\xc0\xafb\"", "url", twice,
			answers{sonic0: `"a\xc0\xafb"`, fastest: `"a\xc0\xafb"`, simd: `"a\xc0\xafb"`, fast: `"a\xc0\xafb"`}},
		{"first half of a pair alone", `"url":"a\ud800b"`, "url", replaced, answers{simd: refused, fast: `"a\\ud800b"`}},
		{"second half alone", `"url":"a\udc00b"`, "url", replaced, answers{simd: `"a\xed\xb0\x80b"`, fast: `"a\\udc00b"`}},
		{"half of a pair, then A", `"url":"a\ud800\u0041b"`, "url", "\"a\ufffdAb\"", answers{simd: "\"a\u2441b\"", fast: replaced}},
		{"escape that is none", `"url":"a\qb"`, "url", refused, answers{fast: `"a\\qb"`}},
		{"short escape", `"url":"a\u12"`, "url", refused, answers{fast: `"a\\u12"`}},
		{"bare control character", "\"url\":\"a\x01b\"", "url", refused,
			answers{sonic0: `"a\x01b"`, fastest: `"a\x01b"`, fast: `"a\x01b"`}},
		{"number for text", `"url":12`, "url", none, answers{fillers: refused, simd: "a int", fast: "a number"}},

		// Numbers.
		{"above 2^53", `"reach":9007199254740993`, "reach", "9007199254740993", nil},
		{"above int64", `"reach":9223372036854775808`, "reach", none,
			answers{fillers: refused, simd: "a uint", fast: "9223372036854775808"}},
		{"above uint64", `"reach":18446744073709551617`, "reach", none,
			answers{fillers: refused, simd: "1.8446744073709552e+19", fast: "18446744073709551617"}},
		{"integer with exponent", `"reach":1e2`, "reach", "100", answers{fillers: refused, fast: "1e2"}},
		{"text for number", `"reach":"12"`, "reach", "12", answers{fillers: refused, simd: "a string", fast: "a string"}},
		{"leading zero", `"reach":012`, "reach", refused, answers{fast: "012"}},
		{"nothing behind the point", `"reach":1.`, "reach", refused, answers{fast: "1."}},
		{"number that is none", `"reach":1-2e+.5`, "reach", refused, answers{fast: "1-2e+.5"}},
		{"not a number", `"reach":NaN`, "reach", refused, answers{fast: "NaN"}},

		// Members.
		{"absent", ``, "reach", none, answers{fillers: "0"}},
		{"null", `"reach":null`, "reach", none, answers{fillers: "0", simd: "a null", fast: "a null"}},
		{"null is not lost", `"reach":null`, "_extra", `"{\"reach\":null}"`, answers{fillers: none, simd: none, fast: none}},
		{"unknown", `"new":"x"`, "new", `"{\"new\":\"x\"}"`, answers{fillers: none, simd: `"x"`, fast: `"x"`}},
		{"duplicate", `"url":"one","url":"two"`, "url", `"two"`, answers{simd: one, fast: one}},
		{"other case", `"URL":"one"`, "url", none, answers{fillers: one}},

		// Grammar.
		{"trailing comma", `"url":"one",`, "url", refused, nil},
		{"missing comma", `"url":"one" "reach":1`, "url", refused, nil},
		{"trailing comma in an unknown member", `"url":"one","new":[1,]`, "url", refused, answers{fastest: one}},
		{"nonsense in an unknown member", `"url":"one","new":[1 2 tru],"b":{x}`, "url", refused, answers{fastest: one}},
		{"something behind", `"url":"one"}}}} {"a":{"b":{"c":{`, "url", refused, nil},
		{"nesting 500", deep(495), "url", one, answers{fast: refused}},
		{"nesting 1,000", deep(1000), "url", refused, answers{fillers: one, simd: one}},
		{"nesting 100,000", deep(100000), "url", refused, answers{fastest: one, simd: one}},
	}
}
