package bench

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes a file, packed if its name ends in .gz.
func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(name) == ".gz" {
		z := gzip.NewWriter(f)
		if _, err := z.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	} else if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFormats_KeepProseOnly(t *testing.T) {
	const prose = "This is a paragraph of some length that a person wrote about a thing, so that others can use it as well."
	for name, tt := range map[string]struct {
		path, content string
		want          []string // nil: not a text
	}{
		"markdown": {"m/README.md", "# Title\n\n" + prose[:50] + "\n" + prose[50:] + "\n\n```go\nfunc " + prose + "\n```\n\n    " + prose + "\n\n- " + prose + "\n- " + prose[1:] + "\n",
			[]string{prose[:50] + " " + strings.TrimSpace(prose[50:]), prose, prose[1:]}},
		"links":        {"m/guide.markdown", strings.Replace(prose, "paragraph", "[para*graph*](https://example.org/x)", 1), []string{strings.Replace(prose, "paragraph", "para*graph*", 1)}},
		"a licence":    {"m/LICENSE.md", prose, nil},
		"a source":     {"m/a.c", prose, nil},
		"description":  {"x.dist-info/METADATA", "Name: x\n\n" + prose, []string{prose}},
		"packed":       {"doc/README.gz", prose, []string{prose}},
		"a table":      {"doc/t.txt", strings.Repeat("12 34 56 | 78 ", 20), []string{}},
		"an address":   {"doc/u.txt", prose + " See https://example.org/.", []string{}},
		"not in UTF-8": {"doc/l.txt", prose + "\xe9", nil},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), tt.path)
			write(t, file, tt.content)
			checkFormat(t, readme(file), file, tt.want)
		})
	}
	page := ".TH X 1\n.SH NAME\n" + prose[:20] + "\n.B \"" + prose[20:40] + "\"\n\\fI" + strings.TrimSpace(prose[40:60]) + "\\fR\n" + strings.TrimSpace(prose[60:]) + "\n.PP\nkurz\n.PP\nF\\(:ur \\(Foviele\\(Fc " + prose + "\n"
	file := filepath.Join(t.TempDir(), "man1", "x.1.gz")
	write(t, file, page)
	checkFormat(t, manual(file), file, []string{strings.Join(strings.Fields(prose[:20]+" "+prose[20:40]+" "+prose[40:60]+" "+prose[60:]), " "), "Für «viele» " + prose})
	file = filepath.Join(t.TempDir(), "x.go")
	write(t, file, "package x\n\n// F is here. "+prose[:40]+"\n// "+prose[40:]+"\n//\n//\tcode "+prose+"\nfunc F() {} // "+prose+"\n")
	checkFormat(t, goFile(file), file, []string{"F is here. " + prose[:40] + " " + strings.TrimSpace(prose[40:])})
}

func checkFormat(t *testing.T, f format, file string, want []string) {
	t.Helper()
	var got []string
	if f != nil {
		if content, err := readText(file); err == nil {
			got = append([]string{}, f(content)...)
		}
	}
	for i := range want {
		want[i] = strings.Join(strings.Fields(want[i]), " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestLanguageOf(t *testing.T) {
	for want, p := range map[string]string{
		"en": "The server writes the file to the directory that is given in the configuration, and the client reads it from there.",
		"de": "Die Datei wird in das Verzeichnis geschrieben, das in der Konfiguration steht, und von dort auch wieder gelesen.",
		"fr": "Le fichier est écrit dans le répertoire qui est donné par la configuration, et le client le lit avec les autres.",
		"ja": "このコマンドは、設定ファイルで指定されたディレクトリにファイルを書き込みます。",
		"zh": "此命令将文件写入配置中指定的目录，然后由客户端读取。",
		"ru": "Сервер записывает файл в каталог, указанный в настройках, откуда его читает клиент.",
		"":   "Сервер записує файл у каталог, вказаний у налаштуваннях, звідки його читає клієнт.",
	} {
		if got := languageOf(p); got != want {
			t.Errorf("%q: %q, want %q", p, got, want)
		}
	}
	if got := languageOf("foo bar baz qux quux corge grault garply waldo fred plugh xyzzy thud foo bar baz qux quux"); got != "" {
		t.Errorf("names are %q", got)
	}
}

// TestProse_TakesEveryTextOnceBeforeAnyTwice makes a library of sentences with numbers.
func TestProse_TakesEveryTextOnceBeforeAnyTwice(t *testing.T) {
	dir := t.TempDir()
	number := 0
	for file := range 170 {
		var b strings.Builder
		for range 60 {
			fmt.Fprintf(&b, "This is the sentence with number %06d and it was \"written\" by hand. ", number)
			fmt.Fprintf(&b, "It is followed by some more that is just there to be read and to be of a usual length, and that is all of %06d.\n\n", number)
			b.WriteString("This is the licence that is the same in all of the files, and it was left out of all but the first of them.\n\n")
			number++
		}
		for range 60 {
			fmt.Fprintf(&b, "Das ist die Nummer %06d, und sie ist nicht von der Art, die man mit dem Auge auch nur für einen Satz hält.\n\n", number)
			number++
		}
		write(t, filepath.Join(dir, fmt.Sprintf("p%03d", file), "README.md"), b.String())
	}
	texts := func() prose {
		p, err := readProse([]library{{dir, readme}}, 7)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := make(map[string]bool), ""
	g, err := generatorOf(7, Mix, texts())
	if err != nil {
		t.Fatal(err)
	}
	again, err := generatorOf(7, Mix, texts())
	if err != nil {
		t.Fatal(err)
	}
	english, german, pairs := 0, 0, 0
	var previous map[string]any
	for range 600 {
		chunk := g.result(nil)
		if second = string(again.result(nil)); second != string(chunk) {
			t.Fatalf("the same seed made\n%s\nand\n%s", chunk, second)
		}
		if !json.Valid(chunk) {
			t.Fatalf("not JSON: %s", chunk)
		}
		m := members(t, chunk)
		content, _ := m["content"].(string)
		if previous != nil {
			pairs++
			if m["content"] != previous["content"] || m["title"] != previous["title"] {
				t.Fatalf("copies differ: %q and %q", previous["content"], content)
			}
		}
		copied := previous != nil
		previous = nil
		if strings.Contains(string(chunk), `"appearance":"NEW"`) {
			previous = m
		}
		if copied {
			continue
		}
		for _, s := range strings.SplitAfter(strings.ReplaceAll(content, "\n\n", " "), "\" by hand. ") {
			if !strings.HasPrefix(s, "This is the sentence") || !strings.HasSuffix(s, "by hand. ") {
				continue
			}
			if first[s] {
				t.Fatalf("%q comes again", s)
			}
			first[s] = true
		}
		english += strings.Count(content, "It is followed by")
		german += strings.Count(content, "Das ist die Nummer")
	}
	if pairs < 10 || english < 500 || german < 300 {
		t.Errorf("%d pairs, %d English sentences, %d German ones", pairs, english, german)
	}
}

func TestProse_TooLittleIsAnError(t *testing.T) {
	if _, err := readProse([]library{{t.TempDir(), readme}, {filepath.Join(t.TempDir(), "none"), readme}}, 1); err == nil {
		t.Error("no error")
	}
}
