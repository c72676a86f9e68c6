package object

import (
	"testing"
	"time"
)

// Waits are shortened for a store on this machine alone, whatever the environment of a process says.
func TestWaitScale_OnlyOnThisMachine(t *testing.T) {
	for endpoint, want := range map[string]time.Duration{
		"http://127.0.0.1:9000":              time.Second,
		"http://[::1]:9000/account/bucket":   time.Second,
		"http://localhost:4443":              time.Second,
		"":                                   time.Minute,
		"https://s3.eu-west-1.amazonaws.com": time.Minute,
		"http://127.0.0.1.example.com":       time.Minute,
		"http://10.0.0.1:9000":               time.Minute,
		"://":                                time.Minute,
	} {
		s := New(t.Context(), nil, "", Config{WaitScale: 1. / 60}.At(endpoint)).(*objects)
		if got := s.scaled(time.Minute).Round(time.Millisecond); got != want {
			t.Errorf("%q: a minute is %s, want %s", endpoint, got, want)
		}
		if s := New(t.Context(), nil, "", Config{}.At(endpoint)).(*objects); s.scaled(time.Minute) != time.Minute {
			t.Errorf("%q: a minute is %s where nothing was said", endpoint, s.scaled(time.Minute))
		}
	}
}
