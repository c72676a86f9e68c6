package bench

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// format turns a file's content into its paragraphs of plain text, each on one line.
type format func(content string) []string

// readme picks what people wrote about a package, and leaves out licences and lists of changes.
func readme(name string) format {
	base := strings.TrimSuffix(strings.ToLower(filepath.Base(name)), ".gz")
	for _, word := range []string{"licen", "copying", "copyright", "change", "history", "authors", "contributors", "requirements", "top_level", "notice"} {
		if strings.Contains(base, word) {
			return nil
		}
	}
	switch ext := filepath.Ext(base); {
	case slices.Contains([]string{".md", ".markdown", ".rst", ".txt"}, ext), ext == "" && strings.HasPrefix(base, "readme"), base == "metadata":
		return markdown
	}
	return nil
}

// goFile picks Go's sources, for what is said before declarations.
func goFile(name string) format {
	if strings.HasSuffix(name, ".go") {
		return comments
	}
	return nil
}

// manual picks manual pages, in all languages.
func manual(name string) format {
	if strings.HasPrefix(filepath.Base(filepath.Dir(name)), "man") {
		return roff
	}
	return nil
}

var (
	markdownLink = regexp.MustCompile(`!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])`)
	markup       = regexp.MustCompile("<[^>]{1,300}>|[`*_]{2,}|`")
	listMark     = regexp.MustCompile(`^(#+|[-*+>]|[0-9]+[.)])\s+`)
)

// markdown takes Markdown, reStructuredText and plain text alike: what is indented or fenced is code.
func markdown(content string) []string {
	fenced := false
	return paragraphs(content, func(line string) (string, bool) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fenced = !fenced
			return "", true
		}
		if fenced || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") || strings.HasPrefix(trimmed, "|") {
			return "", true
		}
		mark := listMark.FindString(trimmed)
		text := trimmed[len(mark):]
		if strings.ContainsAny(text, "[<`*_") {
			text = markup.ReplaceAllString(markdownLink.ReplaceAllString(text, "$1"), "")
		}
		return text, mark != ""
	})
}

func comments(content string) []string {
	return paragraphs(content, func(line string) (string, bool) {
		text, ok := strings.CutPrefix(line, "// ")
		if !ok || strings.HasPrefix(text, " ") || strings.HasPrefix(text, "Copyright") || strings.HasPrefix(text, "Use of this source") {
			return "", true
		}
		return text, false
	})
}

var (
	roffFont    = regexp.MustCompile(`\\f(\[[^\]]*\]|\(..|.)`)
	roffGlyph   = regexp.MustCompile(`\\(\[[^\]]*\]|\(..|\*\[[^\]]*\]|\*\(..|\*.|s[+-]?[0-9]|[&|^/,%c])`)
	roffPlain   = strings.NewReplacer(`\-`, "-", `\ `, " ", `\~`, " ", `\e`, `\`, `\(aq`, "'", `\(cq`, "'", `\(oq`, "'", `\(em`, "-", `\(en`, "-", `\(lq`, `"`, `\(rq`, `"`, `\(Fo`, "«", `\(Fc`, "»", `\'`, "'")
	roffLetters = strings.NewReplacer(accents()...)
)

// accents are roff's names of letters with accents, \('e and \['e], and the letters.
func accents() (pairs []string) {
	for _, p := range strings.Fields("'aá 'eé 'ií 'oó 'uú `aà `eè `iì `oò `uù ^aâ ^eê ^iî ^oô ^uû :aä :eë :iï :oö :uü ~aã ~nñ ~oõ ,cç ssß 'EÉ 'AÁ `AÀ `EÈ ^EÊ :AÄ :OÖ :UÜ ,CÇ ~NÑ") {
		pairs = append(pairs, `\(`+p[:2], p[2:], `\[`+p[:2]+`]`, p[2:])
	}
	return pairs
}

// roff takes the pages of man: lines with a request for a paragraph end one, of other requests the words are
// text.
func roff(content string) []string {
	content = roffFont.ReplaceAllString(content, "")
	content = roffGlyph.ReplaceAllString(roffPlain.Replace(roffLetters.Replace(content)), "")
	return paragraphs(content, func(line string) (string, bool) {
		switch {
		case strings.HasPrefix(line, `.\"`), strings.HasPrefix(line, "'"):
			return "", false
		case !strings.HasPrefix(line, "."):
			return line, strings.HasPrefix(line, " ")
		}
		request, words, _ := strings.Cut(line[1:], " ")
		if slices.Contains([]string{"B", "I", "BR", "IR", "RB", "RI", "BI", "IB", "Nm", "Em", "Ar", "Fl", "Xr"}, request) {
			return strings.ReplaceAll(words, `"`, ""), false
		}
		return "", true
	})
}

// paragraphs joins lines to paragraphs and keeps those that read like prose. Each line is shown to plain, which
// returns its text, and whether a paragraph ends before it.
func paragraphs(content string, plain func(line string) (text string, ends bool)) []string {
	var kept []string
	var words []string
	finish := func() {
		if p := strings.Join(words, " "); readable(p) {
			kept = append(kept, p)
		}
		words = words[:0]
	}
	for line := range strings.Lines(content) {
		text, ends := plain(strings.TrimRight(line, "\r\n"))
		if ends || strings.TrimSpace(line) == "" {
			finish()
		}
		words = append(words, strings.Fields(text)...)
	}
	finish()
	return kept
}

// readable tells prose from tables, code and lists of names: it is long, and made of letters.
func readable(p string) bool {
	runes, letters, spaces, controls := 0, 0, 0, 0
	for _, c := range p {
		runes++
		switch {
		case unicode.IsLetter(c) || unicode.IsMark(c):
			letters++
		case c == ' ':
			spaces++
		case unicode.IsControl(c):
			controls++
		}
	}
	return len(p) >= 100 && controls == 0 && 100*letters >= 85*(runes-spaces) && !strings.Contains(p, "://")
}

// languageOf guesses a paragraph's language among those of the corpus, "" for any other: by its letters, and
// among those that share an alphabet by its most frequent words.
func languageOf(p string) string {
	latinLetters, others := 0, 0
	found := map[string]int{}
	for _, c := range p {
		switch {
		case c < 0x250:
			if 'a' <= c && c <= 'z' || c >= 0xc0 {
				latinLetters++
			}
			continue
		case unicode.In(c, unicode.Hiragana, unicode.Katakana):
			found["ja"] += 5 // every Japanese text is full of Han, no Chinese one has these
		case unicode.Is(unicode.Han, c):
			found["zh"]++
		case unicode.Is(unicode.Hangul, c):
			found["ko"]++
		case strings.ContainsRune("іїєґјљњћђџўІЇЄЈ", c): // Cyrillic, but not Russian
			others += 50
		case unicode.Is(unicode.Cyrillic, c):
			found["ru"]++
		case unicode.Is(unicode.Arabic, c):
			found["ar"]++
		case unicode.Is(unicode.Devanagari, c):
			found["hi"]++
		}
	}
	code, most := "", others
	for _, c := range slices.Sorted(maps.Keys(found)) {
		if found[c] > most {
			code, most = c, found[c]
		}
	}
	if latinLetters > most {
		return latin(p)
	}
	return code
}

// latin counts the words of a paragraph among the most frequent ones of each language. English has to show less:
// what is written about programs is full of other words.
func latin(p string) string {
	words := strings.Fields(strings.ToLower(p))
	best, most, second := "", 0, 0
	for _, l := range frequentWords {
		n := 0
		for _, w := range words {
			if l.words[w] {
				n++
			}
		}
		if n > most {
			best, most, second = l.code, n, most
		} else if n > second {
			second = n
		}
	}
	least := len(words) / 4
	if best == "en" {
		least = len(words) / 6
	}
	if most < max(least, 3) || 10*most < 13*second {
		return ""
	}
	return best
}

// frequentWords are those of the languages in Latin letters.
var frequentWords = latinWords()

type wordList struct {
	code  string
	words map[string]bool
}

func latinWords() (lists []wordList) {
	for _, s := range scripts() {
		if s.frequent[0] >= utf8.RuneSelf {
			continue
		}
		list := wordList{s.code, map[string]bool{}}
		for _, w := range strings.Fields(s.frequent) {
			list.words[w] = true
		}
		lists = append(lists, list)
	}
	return lists
}

// sentencesOf cuts a paragraph after its sentences.
func sentencesOf(p string) []sentence {
	var list []sentence
	start := 0
	for i, c := range p {
		end := i + utf8.RuneLen(c)
		switch {
		case strings.ContainsRune("。！？", c):
		case strings.ContainsRune(".!?", c) && strings.HasPrefix(p[end:], " ") && end-start > 40:
		default:
			continue
		}
		list = append(list, sentence{text: escaped(p[start:end])})
		start = len(p) - len(strings.TrimLeft(p[end:], " "))
	}
	if start < len(p) {
		list = append(list, sentence{text: escaped(p[start:])})
	}
	list[len(list)-1].last = true
	return list
}

// escaped is text as the inside of a JSON string. It has no control characters.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
}
