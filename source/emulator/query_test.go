package emulator

import (
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	c := newCorpus(1, 100)
	for text, ok := range map[string]bool{
		"": true, "  ": true, "cats": true, "cats dogs": true, "cats AND dogs": true, "(a OR b) AND NOT c": true, `"two words"`: true,
		"lang:en": true, "published:>=1704067200000": true, "sourcetype:BLOG": true, "((a))": true,
		"(": false, ")": false, "a AND": false, "AND a": false, "a OR OR b": false, `"open`: false, `""`: false, "(a": false, "a)": false,
		"published:soon": false, "published:5": false, "NOT": false, "()": false,
		strings.Repeat("a ", 50): true, strings.Repeat("a ", 51): false, strings.Repeat("x", 4097): false,
		strings.Repeat("(", 60) + "a" + strings.Repeat(")", 60): false,
	} {
		_, apiErr := parseQuery(text)
		if (apiErr == nil) != ok {
			t.Errorf("%.60q: %v", text, apiErr)
		}
		if apiErr != nil && (apiErr.Code != 4 || apiErr.Details[0].Key != "details") {
			t.Errorf("%.60q: %+v", text, apiErr)
		}
	}
	count := func(text string) int {
		q, apiErr := parseQuery(text)
		if apiErr != nil {
			t.Fatal(apiErr)
		}
		n := 0
		(&selection{corpus: c, universe: c.project("p"), query: q}).each(day(0), day(20), func(ref, *traits) bool { n++; return true })
		return n
	}
	a, b, both, either, neither := count("cats"), count("dogs"), count("cats AND dogs"), count("cats OR dogs"), count("NOT (cats OR dogs)")
	if a+b-both != either || either+neither != 2000 || count("CATS") != a || count("dogs cats") != both || count("NOT cats") != 2000-a {
		t.Errorf("%d cats, %d dogs, %d both, %d either, %d neither", a, b, both, either, neither)
	}
	if a < 600 || a > 1000 {
		t.Errorf("%d of 2000 have a word", a)
	}
	if n := count("published:>=1704153600000 AND published:<1704240000000"); n != 100 {
		t.Errorf("%d documents on the second day", n)
	}
	if n := count("published:>1704153599999 AND published:<=1704239999999"); n != 100 {
		t.Errorf("%d documents on the second day", n)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "a AND (b OR NOT c)", `"x y" published:<5`, "((((", "lang:en NOT"} {
		f.Add(seed)
	}
	c := newCorpus(1, 10)
	f.Fuzz(func(t *testing.T, text string) {
		q, apiErr := parseQuery(text)
		if apiErr != nil && apiErr.Code != 4 {
			t.Errorf("code %d", apiErr.Code)
		}
		if apiErr == nil {
			q.matches(c, &traits{key: 5})
		}
	})
}
