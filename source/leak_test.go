package source

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// checkNoLeak fails if text holds the token in any spelling, or twelve characters of it.
func checkNoLeak(t testing.TB, text string) {
	t.Helper()
	for _, form := range []string{testToken, url.QueryEscape(testToken), url.PathEscape(testToken),
		base64.StdEncoding.EncodeToString([]byte(testToken)), base64.RawURLEncoding.EncodeToString([]byte(testToken))} {
		for i := 0; i+leakLength <= len(form); i++ {
			if strings.Contains(text, form[i:i+leakLength]) {
				t.Errorf("the token leaks (%q): %s", form[i:i+leakLength], text)
				return
			}
		}
	}
}
