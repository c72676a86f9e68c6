package main

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// Whatever way the output is cut into writes, no form of the secret comes through, and everything
// else does.
func FuzzRedactor(f *testing.F) {
	f.Add("before s3cr3t+token/ after", uint8(3))
	f.Add("s3cr3t+tokens3cr3t+token/", uint8(1))
	f.Add("s3cr3t%2Btoken%2F", uint8(5))
	f.Add("s3cr3t+toke", uint8(2))
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		const token = "s3cr3t+token/"
		var out bytes.Buffer
		r := newRedactor(&out)
		r.hide(token)
		for rest := text; rest != ""; {
			n := min(len(rest), int(step%16)+1)
			if _, err := r.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := r.flush(); err != nil {
			t.Fatal(err)
		}
		forms := []string{token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(token))}
		for _, form := range forms {
			if strings.Contains(out.String(), form) {
				t.Errorf("%q came through in %q", form, out.String())
			}
		}
		if !strings.Contains(text, "s3cr3t") && !strings.Contains(text, "czNjcjN0") && out.String() != text {
			t.Errorf("%q became %q", text, out.String())
		}
	})
}
