package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// opener opens an output on one kind of object store. Host is the bucket. Path is a slash and the prefix, spelt as
// in the store, or empty for the whole bucket, from which recordings are read. The query has the kind's own
// parameters. Opening sends nothing that has to succeed: the first use tells. An error that is not coded
// is about the address, its parameters, or the settings of the environment.
type opener func(ctx context.Context, u *url.URL, how opening) (store.Store, error)

// opening is what a store is told besides its place.
type opening struct {
	log     *slog.Logger
	windows int               // written at a time; 0: 1
	secret  func(text string) // hides a credential, before it is used
	scale   float64           // of waits, at an endpoint on this machine; 0: 1
}

// opening is for a command that writes so many windows at a time.
func (a *app) opening(windows int) opening {
	scale, _ := waitScale(a.globals.BaseURL) // what is wrong with it is said when the account is opened
	return opening{a.log, windows, func(text string) {
		if token := source.NewToken(text); !token.Empty() {
			a.hide(token)
		}
	}, scale}
}

// place is where an output, or a part of one, lies: on a disk, or in a bucket.
type place struct {
	name string   // for people: as it was given, without the parameters of a URL
	path string   // on a disk, where url is nil
	url  *url.URL // of a bucket's place; nothing in its path is escaped
	open opener
}

func (p place) remote() bool { return p.url != nil }

// key is what a place is called in its bucket.
func (p place) key() string { return strings.TrimPrefix(p.url.Path, "/") }

// within is another place in the same bucket.
func (p place) within(key string) place {
	u := *p.url
	u.Path = ""
	if key != "" {
		u.Path = "/" + key
	}
	return place{name: u.Scheme + "://" + u.Host + "/" + key, url: &u, open: p.open}
}

// validBucket is generous: each kind of store has rules of its own.
func validBucket(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.$", r))
	})
}

// locate finds out which place an argument means. In the URL of a bucket a question mark begins the parameters, and
// everything before it is meant as it stands: a percent sign or a # is a part of the name, as for other tools that take
// such URLs. Errors do not repeat the argument.
func locate(arg string) (place, error) {
	scheme, rest, ok := strings.Cut(arg, "://")
	name := strings.ToLower(scheme)
	open := stores[name]
	if !ok || open == nil {
		path, err := localPath(arg)
		if err != nil && ok && name != "file" {
			err = fmt.Errorf("use a local path, or a URL that begins with %s%s", schemes(), withoutStores)
		}
		return place{name: arg, path: path}, err
	}
	rest, query, _ := strings.Cut(rest, "?")
	bucket, key, _ := strings.Cut(rest, "/")
	_, badQuery := url.ParseQuery(query)
	switch {
	case hasUserInfo(rest):
		return place{}, errors.New("the URL of a bucket cannot hold credentials; they come from the environment")
	case bucket == "":
		return place{}, fmt.Errorf("the URL names no bucket; write %s://bucket/prefix", name)
	case !validBucket(bucket):
		return place{}, fmt.Errorf("the name of the bucket holds a character that no bucket can have; write %s://bucket/prefix", name)
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return place{}, errors.New("the URL holds control characters or invalid UTF-8")
	case badQuery != nil:
		return place{}, errors.New("the parameters after the ? of the URL cannot be read; write a & or % that is part of a value as %26 or %25")
	}
	return place{url: &url.URL{Scheme: name, Host: bucket, RawQuery: query}, open: open}.within(key), nil
}

// schemes are what a URL may begin with.
func schemes() string {
	list := append([]string{"file://"}, slices.Sorted(maps.Keys(stores))...)
	for i, name := range list[1:] {
		list[i+1] = name + "://"
	}
	if last := len(list) - 1; last > 0 {
		return strings.Join(list[:last], ", ") + " or " + list[last]
	}
	return list[0]
}

// hasUserInfo tells whether the part of a URL behind the slashes begins with credentials. A secret may hold slashes,
// and a key may hold an @, but no bucket is followed by a colon.
func hasUserInfo(rest string) bool {
	host, _, _ := strings.Cut(rest, "/")
	return strings.ContainsAny(host, "@:")
}

// locateOutput is locate for a place that holds an output, or a part of one.
func locateOutput(arg string) (place, error) {
	p, err := locate(arg)
	if err != nil || !p.remote() {
		return p, err
	}
	key := strings.Trim(p.key(), "/")
	if key == "" {
		return place{}, fmt.Errorf("the URL names a whole bucket; add a prefix, such as %slake", p.within("").name)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return place{}, errors.New("the prefix in the URL holds an empty part, a . or a ..; leave it out")
		}
	}
	return p.within(key), nil
}

// outPlace is the place behind --out.
func outPlace(out string) (place, error) {
	p, err := locateOutput(out)
	if err != nil {
		return p, usagef("--out %q: %w", publicName(out), err)
	}
	return p, nil
}

// publicName is an argument as it may be repeated: a URL that is not a file's loses its parameters and credentials.
func publicName(arg string) string {
	scheme, rest, ok := strings.Cut(arg, "://")
	if !ok || urlScheme.FindString(scheme+":") != scheme+":" || strings.EqualFold(scheme, "file") {
		return arg
	}
	rest, _, _ = strings.Cut(rest, "?")
	if hasUserInfo(rest) {
		rest = "…"
	}
	return scheme + "://" + rest
}

// beside is an output's place as a hint gives it to a command: that of another output, next to it. Of the parameters
// only those stay that are known to hold no secret.
func beside(out string) string { return named(out, "-again") }

func named(out, suffix string) string {
	base := publicName(out)
	_, query, _ := strings.Cut(out, "?")
	base = strings.TrimRight(base, "/") + suffix
	values, err := url.ParseQuery(query)
	if p, lerr := locate(out); err != nil || lerr != nil || !p.remote() {
		return base
	}
	maps.DeleteFunc(values, func(name string, _ []string) bool { return !harmless[strings.ToLower(name)] })
	if len(values) == 0 {
		return base
	}
	return base + "?" + values.Encode()
}

// bucket opens the place of an object store. SDKs also log to the default logger, which knows no redactor.
func (p place) bucket(ctx context.Context, how opening) (store.Store, error) {
	slog.SetDefault(how.log)
	u := *p.url
	s, err := p.open(ctx, &u, how)
	if finer := coded(nil); err != nil && ctx.Err() == nil && !errors.As(err, &finer) {
		return nil, usagef("%s cannot be opened: %w", p.name, err)
	}
	return s, err
}

// destination is the output of a command that writes. All its runs share one store, which is opened when it is first
// needed: a disk's directory is not created by a plan.
type destination struct {
	place
	how    opening
	unsafe bool // --unsafe-overwrite
	warned sync.Once
	gaveUp atomic.Bool // the store ignores conditional writes, and that was accepted; read once a run is open
	probes sink.Probes // of the one store, by all runs

	mu     sync.Mutex
	opened store.Store
}

// use opens the store, if it is not open yet. Without create a directory that is not there is an error:
// errors.Is(err, fs.ErrNotExist).
func (d *destination) use(ctx context.Context, create bool) (store.Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened != nil {
		return d.opened, nil
	}
	var s store.Store
	var err error
	if d.remote() {
		s, err = d.bucket(ctx, d.how)
	} else {
		s, err = store.OpenLocal(store.LocalConfig{Root: d.path, MustExist: !create, Logger: d.how.log})
	}
	if err != nil {
		return nil, err
	}
	d.opened = s
	return s, nil
}

// Close frees the store, after the last run in it. It may be called again.
func (d *destination) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened != nil {
		_ = d.opened.Close() // nothing can be lost by it
	}
	d.opened = nil
}
