package main

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"tw2parquet/source"
)

// Whatever way the output is cut into writes, no twelve characters of any form of the secret come
// through, and everything else does.
func FuzzRedactor(f *testing.F) {
	const token = "s3cr3t+token/of=nobody"
	f.Add("before s3cr3t+token/of=nobody after", uint8(3))
	f.Add("s3cr3t+tokens3cr3t+token/of=nobody", uint8(1))
	f.Add("s3cr3t%2Btoken%2Fof%3Dnobody", uint8(5))
	f.Add("s3cr3t+tok", uint8(2))
	f.Add("token/of=nobodys3cr3t+token/of", uint8(4))
	forms := []string{token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(token))}
	secret := source.NewToken(token)
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		var out bytes.Buffer
		r := newRedactor(&out)
		r.hide(secret)
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
		for _, form := range forms {
			for i := 0; i+12 <= len(form); i++ {
				if strings.Contains(out.String(), form[i:i+12]) {
					t.Errorf("%q came through in %q", form[i:i+12], out.String())
				}
			}
		}
		if !strings.Contains(out.String(), "REDACTED") && out.String() != text {
			t.Errorf("%q became %q", text, out.String())
		}
	})
}
