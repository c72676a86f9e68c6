package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// words are the texts of a picture, by how they look; the oracle is encoding/xml.
func words(t *testing.T, svg []byte) (texts []string, classes map[string]string) {
	t.Helper()
	classes = map[string]string{}
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	class, inside := "", false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, classes
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			class, inside = "", e.Name.Local == "text"
			for _, a := range e.Attr {
				if a.Name.Local == "class" || a.Name.Local == "fill" {
					class = a.Value
				}
			}
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside {
				texts = append(texts, string(e))
				classes[string(e)] = class
			}
		}
	}
}

func TestRun_DrawsWhatIsOnTheScreen(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.svg")
	script := `printf 'gone\r\033[Kplain <&> one  two   three\n\033[1mbold\033[0m\n\033[2mfaint\033[0m\n\033[31mred\033[0m\n'`
	if err := run(out, 60, "a command", []string{"sh", "-c", script}); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	texts, classes := words(t, svg)
	if got := strings.Join(texts, "|"); got != "$|a command|plain <&> one|two|three|bold|faint|red" {
		t.Errorf("%s", got)
	}
	for text, want := range map[string]string{"plain <&> one": "", "bold": "b", "faint": "d", "a command": "b"} {
		if classes[text] != want {
			t.Errorf("%s looks like %q", text, classes[text])
		}
	}
	if !strings.HasPrefix(classes["red"], "#") {
		t.Errorf("red looks like %q", classes["red"])
	}
	if err := run(out, 60, "", []string{"false"}); err == nil {
		t.Error("a command that fails is drawn")
	}
}

// README's picture is of this demo: three months of twenty thousand documents, a bill, a summary.
func TestPicture_IsTheDemo(t *testing.T) {
	svg, err := os.ReadFile("../../../.github/demo.svg")
	if err != nil {
		t.Fatal(err)
	}
	texts, _ := words(t, svg)
	all := strings.Join(texts, " ")
	for _, says := range []string{"$ tw2parquet demo", "20,020 documents of three months in 9 files", "20,020 credits spent", "Ask DuckDB", "tw2parquet report tw2parquet-demo", "Complete: 3 windows, 20,020 rows"} {
		if !strings.Contains(all, says) {
			t.Errorf("the picture does not say %q: make picture", says)
		}
	}
}
