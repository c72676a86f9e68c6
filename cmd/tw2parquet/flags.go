package main

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// globals are the settings that every command knows.
type globals struct {
	TokenFile   string `name:"token-file" env:"TALKWALKER_TOKEN_FILE" placeholder:"FILE" help:"File holding the access token; else TALKWALKER_ACCESS_TOKEN. There is no flag for the token itself: it would show in process lists and logs."`
	BaseURL     string `name:"base-url" env:"TALKWALKER_BASE_URL" default:"https://api.talkwalker.com" placeholder:"URL" help:"The API; plain http only to loopback (default ${default})."`
	LogFormat   string `name:"log-format" env:"TW2PARQUET_LOG_FORMAT" enum:"auto,text,json" default:"auto" help:"Form of the log on standard error: text, json, or auto: short lines for people at a terminal, else text."`
	LogLevel    string `name:"log-level" env:"TW2PARQUET_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	Progress    string `name:"progress" enum:"auto,on,off" default:"auto" help:"A bar on a terminal, a heartbeat line elsewhere: auto (no bar where TERM is dumb), on or off."`
	ResultFile  string `name:"result-file" env:"TW2PARQUET_RESULT_FILE" placeholder:"FILE" help:"Also write the result JSON there, on every exit path. A file is replaced whole; pipes, devices and mounted files are written to."`
	MemoryLimit size   `name:"memory-limit" env:"GOMEMLIMIT" placeholder:"SIZE" help:"Soft memory limit, or off (default 1GiB, or more where row groups, documents, workers and windows of the sizes asked for need it)."`
}

// client makes the API client from the common settings. It calls nothing.
func (a *app) client(cfg source.Config) (*source.Client, error) {
	if a.account == nil {
		token, err := a.token()
		if err != nil {
			return nil, err
		}
		scale, err := waitScale(a.globals.BaseURL)
		if err != nil {
			return nil, err
		}
		a.account = &account{token, scale}
	}
	cfg.BaseURL, cfg.Token, cfg.Logger, cfg.WaitScale = a.globals.BaseURL, a.account.token, a.log, a.account.scale
	cfg.UserAgent = "tw2parquet/" + programVersion
	return source.New(cfg)
}

// tokenEnv is the variable that holds the token. It is read, never shown.
const tokenEnv = "TALKWALKER_ACCESS_TOKEN"

// maxTokenFile bounds what is read as a token: a wrong path may name anything.
const maxTokenFile = 64 << 10

// token reads the token and hides it from every output.
func (a *app) token() (source.Token, error) {
	g := a.globals
	text, from := os.Getenv(tokenEnv), "the environment variable "+tokenEnv
	if g.TokenFile != "" {
		// The name is not repeated in errors: it may be the token itself, given in the place of a file.
		name, err := localPath(g.TokenFile)
		if err != nil {
			return source.Token{}, &tokenError{fmt.Sprintf("the token file's name (--token-file): %v", err)}
		}
		b, err := readLimited(name, maxTokenFile)
		if err != nil {
			return source.Token{}, &tokenError{fmt.Sprintf("the token file cannot be read: %v", store.Cause(err))}
		}
		a.warnOfReaders(name)
		text, from = string(b), "the token file"
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return source.Token{}, &tokenError{"no access token: " + from + " is empty or not set"}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return source.Token{}, &tokenError{"the access token in " + from + " holds white space or control characters"}
	}
	token := source.NewToken(text)
	a.hide(token)
	return token, nil
}

// hide keeps a token out of every output.
func (a *app) hide(token source.Token) {
	for _, w := range a.redactors {
		w.hide(token)
	}
}

// hideEarly hides secrets from the first word on: an error of the parser quotes arguments, and one
// of them may be the token in a wrong place. Whether there is a token, and can be read, is told later.
func (a *app) hideEarly() {
	secrets := append(append(cloudSecrets(os.Getenv), os.Getenv(tokenEnv)), catalogSecrets(os.Environ())...)
	name, _ := localPath(a.line.value("token-file"))
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() { // a pipe can be read only once
		if b, err := readLimited(name, maxTokenFile); err == nil {
			secrets = append(secrets, string(b))
		}
	}
	for _, arg := range a.line.positionals {
		secrets = append(secrets, argumentSecrets(arg)...)
	}
	for _, g := range a.line.given {
		secrets = append(secrets, argumentSecrets(g.value)...)
	}
	for _, secret := range secrets {
		if token := source.NewToken(secret); !token.Empty() {
			a.hide(token)
		}
	}
}

// refuseToken refuses a flag that holds the access token by mistake: what a request says is written beside
// its output. The value is not repeated.
func (a *app) refuseToken(flag string, values ...string) error {
	for _, v := range values {
		if hidden := a.account.token.Hide([]byte(v)); string(hidden) != v {
			return usagef("--%s holds the access token; the token belongs in %s or a token file", flag, tokenEnv)
		}
	}
	return nil
}

// warnOfReaders warns of a token file that users other than its owner may read. Its name is not repeated.
func (a *app) warnOfReaders(name string) {
	info, err := os.Stat(name)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
		a.log.Warn("users other than its owner may read the token file", "mode", info.Mode().String(), "hint", "chmod 600, or defaultMode: 0400 of a Kubernetes secret")
	}
}

func readLimited(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("it has %d bytes, too many for a token", info.Size())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit)) // a device has no size
}

// tokenError is exit 10 without any call.
type tokenError struct{ message string }

func (e *tokenError) Error() string { return e.message }

// waitScaleEnv shortens every wait, for tests and demonstrations on loopback.
const waitScaleEnv = "TW2PARQUET_WAIT_SCALE"

func waitScale(baseURL string) (float64, error) {
	text := os.Getenv(waitScaleEnv)
	if blank(text) || !loopback(baseURL) {
		return 1, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return 0, usagef("%s is %q; it takes a factor above 0 such as 0.02", waitScaleEnv, text)
	}
	return f, nil
}

func loopback(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}

// size is a number of bytes: 256MiB, 1GiB, 10MB, 4096. "off" is unlimited.
type size int64

func (s *size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	if strings.EqualFold(t, "off") {
		*s = math.MaxInt64
		return nil
	}
	number, unit := t, int64(1)
	for _, u := range sizeUnits {
		if len(t) > len(u.name) && strings.EqualFold(t[len(t)-len(u.name):], u.name) {
			number, unit = t[:len(t)-len(u.name)], u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n*float64(unit) >= math.MaxInt64 {
		return fmt.Errorf("%q is not a size; use bytes or a number with KiB, MiB, GiB, KB, MB or GB", t)
	}
	*s = size(n * float64(unit))
	return nil
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1},
}

// instant is a point in time: a date (midnight UTC), RFC 3339, or epoch milliseconds. Relative words
// are refused: a retry tomorrow would mean another time, and pay for it.
type instant struct{ time.Time }

// year1990 is the earliest instant taken: an epoch in seconds, by mistake, lies before it.
var year1990 = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

func (i *instant) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	if ms, err := strconv.ParseInt(t, 10, 64); err == nil {
		i.Time = time.UnixMilli(ms).UTC()
		if i.Before(year1990) {
			return fmt.Errorf("%s would be %s: a bare number is epoch milliseconds, and this looks like seconds", t, i.Format(time.RFC3339))
		}
		return nil
	}
	for _, layout := range []string{"2006-01-02", time.RFC3339Nano} {
		if at, err := time.Parse(layout, t); err == nil {
			if at.Before(year1990) {
				return fmt.Errorf("%s is before 1990", t)
			}
			if !at.Equal(at.Truncate(time.Millisecond)) {
				return fmt.Errorf("%s is finer than a millisecond, the API's resolution", t)
			}
			i.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is not a time; use YYYY-MM-DD, RFC 3339 or epoch milliseconds", t)
}
