package schema

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// author writes random chunks: every field with values of its type and of every other, unknown and
// repeated members, strange numbers and broken strings. All are well-formed JSON results.
type author struct {
	*rand.Rand
	strings.Builder
	hostile bool
}

func (a *author) pick(options ...string) { a.WriteString(options[a.IntN(len(options))]) }

func (a *author) chance(percent int) bool { return a.IntN(100) < percent }

func (a *author) space() {
	if a.hostile && a.chance(3) {
		a.pick(" ", "\n", "\t\r\n  ")
	}
}

func (a *author) string() {
	a.WriteByte('"')
	for range a.IntN(6) {
		a.pick("word", " ", "é", "Привет", "漢字かな交じり文", "😀", `\n`, `\"`, `\\`, `\/`, `\u00e9`, `\ud83d\ude00`,
			"a rather long run of plain text that takes more than sixteen bytes", "\x7f", "\u2028", `\u0000`,
			"\ufeff", "\U0010ffff", "مرحبا")
		if a.hostile && a.chance(15) {
			a.pick("\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x9f\x98", `\ud83d`, `\ude00`,
				`\ud83dx`, `\ud83d\n`, `\ud83d\ud83d\ude00`, "\x80", `\uD800\u0041`)
		}
	}
	a.WriteByte('"')
}

func (a *author) number(t Type) {
	if a.hostile && a.chance(40) {
		a.pick("0", "-0", "-0.0", "1.0", "100e-2", "1e3", "5E+2", "1.5", "1e999", "-1e999", "1e-400", "0.10000000000000000001",
			"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "2147483648",
			"-2147483648", "-2147483649", "18446744073709551616", "9007199254740993", "9223372036854775", "9223372036854776",
			"-1", "-12219292800000", "-12219292800001", "253402300799999", "253402300800000", "-62135596800000", strings.Repeat("9", 400), "1"+strings.Repeat("0", 400)+"e-400", "0."+strings.Repeat("0", 30)+"1e31",
			"0e99999999999999999999", "1e99999999999999999999", "1e-99999999999999999999", "6.130000114440918",
			"0.1234567890123456", "4.35", "0.3", "123456789012345.6", "12345678901234567", "5e-324", "1.7976931348623157e308")
		return
	}
	switch t {
	case Float64:
		fmt.Fprint(a, a.NormFloat64()*100)
	case Time:
		fmt.Fprint(a, 1.5e12+a.Int64N(2e11))
	default:
		fmt.Fprint(a, a.IntN(1000))
	}
}

// anything writes any value.
func (a *author) anything(depth int) {
	switch a.IntN(8) {
	case 0:
		a.pick("true", "false", "null")
	case 1:
		a.number(Int64)
	case 2, 3:
		a.string()
	case 4:
		a.WriteByte('"')
		a.number(Float64)
		a.WriteByte('"')
	case 5, 6:
		a.object(nil, depth+1)
	default:
		a.array(a.IntN(4), func() { a.anything(depth + 1) })
	}
}

func (a *author) array(n int, element func()) {
	a.WriteByte('[')
	for i := range n {
		if i > 0 {
			a.WriteByte(',')
		}
		a.space()
		element()
		a.space()
	}
	a.WriteByte(']')
}

func (a *author) value(n *node, depth int) {
	if a.hostile && a.chance(15) {
		a.anything(depth)
		return
	}
	switch n.typ {
	case Text:
		a.string()
	case Int32, Int64, Float64, Time:
		a.number(n.typ)
	case Texts:
		a.array(a.IntN(4), func() {
			if a.hostile && a.chance(5) {
				a.anything(depth)
			} else {
				a.string()
			}
		})
	case Object:
		a.object(n.members, depth)
	case Objects:
		a.array(a.IntN(4), func() {
			if a.hostile && a.chance(10) {
				a.anything(depth)
			} else {
				a.object(n.members, depth)
			}
		})
	case Scores:
		names := []*node{{name: "test_score", typ: Float64}, {name: "avee", typ: Float64}, {name: "é", typ: Float64}}
		a.object(names, depth)
	case JSON:
		a.anything(depth)
	}
}

// object writes some of the given members, and others.
func (a *author) object(members []*node, depth int) {
	a.WriteByte('{')
	first := true
	name := func(key string) {
		if !first {
			a.WriteByte(',')
		}
		first = false
		a.space()
		if a.hostile && a.chance(3) && key != "" && key[0] < 0x80 && key[0] != '"' {
			fmt.Fprintf(a, `"\u%04x%s"`, key[0], key[1:])
		} else {
			a.WriteString(`"` + key + `"`)
		}
		a.space()
		a.WriteByte(':')
		a.space()
	}
	for _, i := range a.Perm(len(members)) {
		n := members[i]
		if n.name[0] == '_' || len(members) > 20 && a.chance(70) {
			continue
		}
		for repeat := true; repeat; repeat = a.hostile && a.chance(5) {
			name(n.name)
			a.value(n, depth)
			a.space()
		}
		a.stranger(name, depth)
	}
	for range a.IntN(3) {
		a.stranger(name, depth)
	}
	a.WriteByte('}')
}

// stranger now and then writes a member that no table knows.
func (a *author) stranger(name func(string), depth int) {
	if !a.hostile || depth > 4 || !a.chance(15) {
		return
	}
	names := []string{"new", "$chunk", "$", "$$", "", "a.b", "URL", "_extra", "_key", "highlighted_data", `q\"`, "data",
		"chunk_type", "\xff", "\xfe", `\ud800`, "\ufffd", "__proto__", "é", `\u0000`, "x" + strings.Repeat("y", 30)}
	name(names[a.IntN(len(names))])
	a.anything(depth)
	a.space()
}

func (a *author) chunk() []byte {
	a.Reset()
	var inner []*node
	var beside *node
	for _, n := range tree() {
		if n.name == highlighted {
			beside = n
		} else {
			inner = append(inner, n)
		}
	}
	around := func(before, between string, members func()) {
		a.WriteString("{")
		if a.hostile && a.chance(20) {
			a.pick(`"more":[1],`, `"data":5,`, `"chunk_result":{"data":{"data":{"url":"loser"}}},`, `"highlighted_data":{},`)
		}
		a.WriteString(before)
		members()
		if a.hostile && a.chance(20) {
			a.pick(`,"after":{"x":[]}`, `,"$chunk":null`, `,"chunk_type":"CT_RESULT"`)
		}
		a.WriteString(between + "}")
	}
	around(`"chunk_type":"CT_RESULT","chunk_result":`, "", func() {
		around(`"data":`, "", func() {
			around(`"data":`, "", func() {
				a.object(inner, 0)
				if a.chance(70) {
					a.WriteString(`,"highlighted_data":`)
					a.value(beside, 0)
				}
			})
		})
	})
	return []byte(a.String())
}

// TestRebuild_IsInverse holds rebuild(encode(chunk)) to be the chunk, for tame and hostile ones.
func TestRebuild_IsInverse(t *testing.T) {
	for _, hostile := range []bool{false, true} {
		t.Run(fmt.Sprintf("hostile=%v", hostile), func(t *testing.T) {
			a := &author{Rand: rand.New(rand.NewPCG(1, 2)), hostile: hostile}
			e, r := NewEncoder(), NewRebuilder()
			for round := range 20 {
				e.Reset()
				var chunks [][]byte
				for i := range 100 {
					chunk := a.chunk()
					if !isResult(chunk) {
						t.Fatalf("the test wrote no result: %s", chunk)
					}
					if i%10 == 7 { // a neighbour that is cut off changes nothing
						if err := e.Append(chunk[:len(chunk)-1-a.IntN(len(chunk)/2)], 0); err == nil {
							t.Fatal("cut chunk accepted")
						}
					}
					if err := e.Append(chunk, int64(round*1000+i)); err != nil {
						t.Fatalf("%v\n%s", err, chunk)
					}
					chunks = append(chunks, chunk)
				}
				rec := e.Record()
				checkRecord(t, rec)
				for i, chunk := range chunks {
					checkRow(t, r, rec, i, chunk)
				}
				if d := e.Drift(); !hostile && (len(d.Unknown) > 0 || d.DuplicateKeys > 0 || d.ReplacedUTF8 > 0) {
					t.Fatalf("tame documents drift: %+v", d)
				}
				rec.Release()
			}
		})
	}
}
