package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"tw2parquet/sink/dataset/report"
	"tw2parquet/sink/dataset/report/reporttest"
)

func page(t *testing.T, r report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Page(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The policy in the page names the style and the script that are in it, by their bytes.
func TestPage_AllowsItsOwnStyleAndScriptOnly(t *testing.T) {
	text := string(page(t, reporttest.Troubled()))
	for _, tag := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(text, -1)
		if len(found) != 1 {
			t.Fatalf("%d elements %s", len(found), tag)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if want := tag + "-src &#39;sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "&#39;"; !strings.Contains(text, strings.ReplaceAll(want, "+", "&#43;")) {
			t.Errorf("the policy does not name %s", want)
		}
	}
	if !strings.Contains(text, `content="default-src &#39;none&#39;;`) {
		t.Error("the policy allows more")
	}
}

// Nothing that a text holds becomes an element, an attribute, or a character that acts on what surrounds it.
func TestPage_ShowsNaughtyTexts(t *testing.T) {
	text := page(t, reporttest.Troubled())
	z := html.NewTokenizer(bytes.NewReader(text))
	open := map[string]int{}
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		open[token.Data]++
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "srcdoc" || a.Key == "href" && a.Val[0] != '#' && a.Val != "data:," {
				t.Errorf("<%s %s=%q>", token.Data, a.Key, a.Val)
			}
		}
	}
	if open["script"] != 1 || open["style"] != 1 || open["img"]+open["iframe"]+open["form"]+open["object"] != 0 {
		t.Errorf("%v", open)
	}
	for _, r := range string(text) {
		if r != '\n' && r != '\u200d' && !unicode.IsPrint(r) {
			t.Fatalf("the page holds %U", r)
		}
	}
	if marks := strings.Count(string(text), "\u0301\u0301\u0301\u0301"); marks > 0 {
		t.Errorf("%d letters with too many marks", marks)
	}
}

// Ten million documents in a thousand windows, with as many texts as are ever kept, make less than a megabyte.
func TestPage_StaysSmall(t *testing.T) {
	r := reporttest.Large()
	if n := len(page(t, r)); n >= 1_000_000 || r.Documents.Rows < 9_000_000 {
		t.Errorf("%d bytes for %d documents", n, r.Documents.Rows)
	}
}

func TestPage_OfNothing(t *testing.T) {
	if text := string(page(t, reporttest.Empty())); !strings.Contains(text, "This output holds no runs yet.") {
		t.Error(text)
	}
}

// A report survives JSON, so that machines have all that people see.
func TestReport_IsJSON(t *testing.T) {
	r := reporttest.Troubled()
	for i := range r.Windows { // JSON has no invalid UTF-8
		r.Windows[i].Reason = ""
	}
	r.Drift.Unknown, r.Documents.Authors.Values, r.Documents.Sites.Values = nil, nil, nil
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back report.Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, r) || !bytes.Equal(page(t, back), page(t, r)) {
		t.Error("another report came back")
	}
}
