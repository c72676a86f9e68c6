package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/source/emulator"
)

// Secrets of the stores' credential chains, each of characters that URLs and JSON spell otherwise.
var cloud = map[string]string{
	"AWS_ACCESS_KEY_ID":                 "AKIAQ3EGRIS7X2NPWZ4T",
	"AWS_SECRET_ACCESS_KEY":             "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",
	"AWS_SESSION_TOKEN":                 "IQoJb3JpZ2luX2Vj/EHcaCXVzLWVhc3Qt+MSJHMEUCIQDz=",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN": "container/authorization+token=7f3",
	"AZURE_STORAGE_KEY":                 "q9Zx8+fUo/2vJk1LmN4pB7rTyWsE6hGdC3aVbXnMzQ==",
	"AZURE_CLIENT_SECRET":               "Xy8Q~h3kL.pV2nR7tW-zB5mJ_cD9fG",
	"AZURE_CLIENT_CERTIFICATE_PASSWORD": "certificate~password&1",
	"AZURE_STORAGE_CONNECTION_STRING":   "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=mZ4+kT8wQ/1xR6vNb3LpYc0HsJfDgUeA==;EndpointSuffix=core.windows.net;SharedAccessSignature=sv=2022-11-02&ss=b&sig=Kp7%2FvW2xQ9%2BtR4nLm8zY1bHcJ5fD0gSa3eU6iOqXwE%3D",
	"AZURE_STORAGE_SAS_TOKEN":           "?sv=2022-11-02&se=2026-01-01T00:00:00Z&sig=Hd3%2FjN6qT8%2BwZ1xCvB5mL0kPyR7sFgA2uE4iOaQ9WsX%3D",
}

// hidden are the secrets themselves.
func hidden(t *testing.T) []string {
	t.Helper()
	list := []string{"mZ4+kT8wQ/1xR6vNb3LpYc0HsJfDgUeA=="}
	for name, value := range cloud {
		switch name {
		case "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN":
			_, sig, _ := strings.Cut(value, "sig=")
			plain, err := url.QueryUnescape(sig)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, plain)
		default:
			list = append(list, value)
		}
	}
	return list
}

// TestSecrets_OfStoresShowNowhere lets a store repeat all of them in every error, at every kind of call, in each way that
// an SDK could, and searches whatever is printed and written.
func TestSecrets_OfStoresShowNowhere(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	for name, value := range cloud {
		t.Setenv(name, value)
	}
	secrets := hidden(t)
	const fetched = "F3tched+by/the=chain"
	const inURL, inUserInfo = "Param3ter+Secr3t/of=nobody", "Us3rInfo-Secr3t-of-nobody"
	var all strings.Builder
	all.WriteString(fetched)
	for _, s := range secrets {
		all.WriteString(" " + s + " " + url.QueryEscape(s))
	}
	secrets = append(secrets, inURL, inUserInfo, fetched)
	// What this process cannot know, and what only its looks give away.
	unknown := []string{"f00dcafe00112233445566778899aabbccddeeff", "ASIAZZZZZZZZZZZZZZZZ", "ya29.A0ARrdaM-unknown-token"}
	all.WriteString(" https://b.s3.amazonaws.com/k?X-Amz-Credential=ASIAZZZZZZZZZZZZZZZZ%2F20260101&X-Amz-Signature=" + unknown[0] + "&x-id=PutObject")
	all.WriteString(" Authorization: AWS4-HMAC-SHA256 Credential=ASIAZZZZZZZZZZZZZZZZ/20260101, Signature=" + unknown[0] + "\n header Bearer " + unknown[2])
	errs := map[string]error{
		"denied":      refusal{"store_denied", "AccessDenied:" + all.String(), "use other keys than" + all.String(), false, nil},
		"unavailable": &store.Error{Op: "put", Path: "mem://b/k?sig=" + url.QueryEscape(inURL), Err: refusal{"store_unavailable", all.String(), "", true, nil}, Hint: all.String()},
		"conditions":  &store.Error{Op: "probe", Path: "k", Err: store.ErrWithoutConditions, Hint: all.String()},
	}
	dir := t.TempDir()
	search := func(what string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			for _, s := range secrets {
				if found := leaks(text, s); found != nil {
					t.Errorf("%s: %q of %q came through in %s", what, found, s, text)
				}
			}
			for _, s := range unknown {
				if strings.Contains(text, s) {
					t.Errorf("%s: %q came through in %s", what, s, text)
				}
			}
		}
	}
	for kind, refused := range errs {
		for _, op := range map[string][]string{"denied": {"list", "hold", "put", "read"}, "unavailable": {"create", "read"}, "conditions": {"probe"}}[kind] {
			b := newBucket(t)
			b.refuse = func(o, _ string) error { return map[string]error{op: refused}[o] }
			b.fetched = fetched
			out := b.url("lake") + "?sig=" + url.QueryEscape(inURL)
			b.put(t, "lake/x.parquet", []byte("PAR1"))
			for i, args := range [][]string{
				{"export", "--project", x.Projects()[0], "--start=2024-01-01", "--stop=2024-02-01", "--base-url", x.url, "--out", out},
				{"convert", b.url("lake/x.parquet"), "--out", out}, {"verify", out}, {"cat", out}, {"check", "--base-url", x.url, "--out", out},
			} {
				format := []string{"text", "json"}[(i+len(op))%2]
				file := filepath.Join(dir, "result.json")
				var stdout, stderr bytes.Buffer
				run(t.Context(), append(args, "--log-format="+format, "--log-level=debug", "--result-file="+file), strings.NewReader(""), &stdout, &stderr)
				written, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				search(kind+" at "+op+" of "+args[0], stdout.String(), stderr.String(), string(written))
			}
			for name, data := range b.Files() {
				search(kind+" at "+op+" in "+name, string(data))
			}
		}
	}
	// In arguments that are refused, whatever is wrong with them.
	for _, args := range [][]string{
		{"cat", "mem://me:" + inUserInfo + "@bucket/x"}, {"export", "--out=mem://me:" + inUserInfo + "@bucket/x", "--nonsense"},
		{"verify", "--nonsense", "nowhere://b/x?password=" + inURL}, {"convert", "-", "--out=nowhere://b?key=" + url.QueryEscape(inURL)},
		{"demo", "--out", "mem://b/x?sig=" + inURL + "&%zz"}, {"cat", "mem://me:" + strings.Replace(inUserInfo, "-", "/", 1) + "@bucket/x"},
	} {
		code, stdout, stderr := call(t, args...)
		if code != exitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
		search(args[0], stdout, stderr)
	}
}

func TestWithoutSigns(t *testing.T) {
	for text, want := range map[string]string{
		"GET https://x/y?sig=abc%2Bd&z=1":                  "GET https://x/y?sig=REDACTED&z=1",
		"x-amz-security-token=FwoG/x+y=":                   "x-amz-security-token=REDACTED",
		"X-Goog-Signature%3Dabc rest":                      "X-Goog-Signature%3DREDACTED rest",
		`{"url":"https://x?X-Amz-Signature=aa\u0026b=c"}`:  `{"url":"https://x?X-Amz-Signature=REDACTED\u0026b=c"}`,
		"Authorization: Bearer abcdefghijklmnop\nHost: x":  "Authorization: REDACTED\nHost: x",
		`map[Authorization:[AWS4-HMAC Credential=x/y]]`:    `map[Authorization:[REDACTED]]`,
		`"authorization":"SharedKey acme:Zm9v"`:            `"authorization":"REDACTED"`,
		"used bearer abcdefghijklmnop1 twice":              "used bearer REDACTED twice",
		"proxy http://me:pass@host:1/x":                    "proxy http://REDACTED@host:1/x",
		"AccountName=a;AccountKey=Zm9v==;EndpointSuffix=b": "AccountName=a;AccountKey=REDACTED;EndpointSuffix=b",
		"key AKIAQ3EGRIS7X2NPWZ4T is unknown":              "key REDACTED is unknown",
		// Nothing to hide.
		"put mem://bucket/window_start=2024-01-01/part-x-00000.parquet": "",
		"the signature is wrong; the bearer of bad news":                "",
		"https://example.org/@name?design=1&config=2":                   "",
		"a: b@c, s3://bucket/me@home":                                   "",
	} {
		if want == "" {
			want = text
		}
		if got := withoutSigns(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

// Posts link to signed URLs of others. They are documents, and none of ours to change.
func TestSecrets_DocumentsStayAsTheyAre(t *testing.T) {
	document := `{"url":"https://cdn.example.org/1.jpg?X-Amz-Signature=abcdef0123456789&sig=x","content":"Authorization: Bearer abcdefghijklmnopq"}`
	chunks := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":` + document + `}}}` + "\n" +
		`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}` + "\n"
	out := newBucket(t).url("lake")
	if code, _, stderr := converting(t, []byte(chunks), "-", "--out", out); code != exitOK {
		t.Fatal(code, stderr)
	}
	code, stdout, _ := call(t, "cat", out)
	if code != exitOK || !json.Valid([]byte(stdout)) || !sameJSON(t, []byte(stdout), []byte(document)) {
		t.Errorf("exit %d, %s", code, stdout)
	}
}
