package main

import (
	"context"
	"path"
	"strings"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// buckets are the stores that a command reads from: whole buckets for recordings and single files, prefixes for
// directories.
type buckets struct {
	how    opening
	opened map[string]store.Store
}

func (b *buckets) open(ctx context.Context, at place) (store.Store, error) {
	if s := b.opened[at.url.String()]; s != nil {
		return s, nil
	}
	s, err := at.bucket(ctx, b.how)
	if err != nil {
		return nil, err
	}
	if b.opened == nil {
		b.opened = map[string]store.Store{}
	}
	b.opened[at.url.String()] = s
	return s, nil
}

// Close closes what was opened; it was only read from.
func (b *buckets) Close() {
	for _, s := range b.opened {
		_ = s.Close()
	}
}

// firstBelow is the first entry whose name begins with prefix. An object of just that name comes before all others.
func firstBelow(ctx context.Context, s store.Store, prefix string) (e store.Entry, ok bool, err error) {
	for e, err := range s.List(ctx, prefix) {
		return e, err == nil, err
	}
	return store.Entry{}, false, nil
}

// recordings are the objects that a URL means: the one of that name, or all that match it.
func (b *buckets) recordings(ctx context.Context, at place) (inputs []*input, err error) {
	s, err := b.open(ctx, at.within(""))
	if err != nil {
		return nil, err
	}
	key := at.key()
	literal, _, glob := cutGlob(key)
	e, found, err := firstBelow(ctx, s, key)
	if err != nil {
		return nil, err
	}
	add := func(e store.Entry) {
		name := at.within(e.Name).name
		inputs = append(inputs, &input{name: name, object: &object{store: s, entry: e}})
	}
	switch {
	case key == "" || strings.HasSuffix(key, "/"):
		return nil, usagef("%s is a directory; name its objects, such as %s*", at.name, at.name)
	case found && e.Name == key:
		add(e)
		return inputs, nil
	case !glob && found && strings.HasPrefix(e.Name, key+"/"):
		return nil, usagef("%s is a directory; name its objects, such as %s/*", at.name, at.name)
	case !glob:
		return nil, usagef("%s cannot be read: there is no such object", at.name)
	}
	if _, err := path.Match(key, ""); err != nil {
		return nil, usagef("%s is not a pattern: %w", at.name, err)
	}
	for e, err := range s.List(ctx, literal) {
		if err != nil {
			return nil, err
		}
		if ok, _ := path.Match(key, e.Name); ok && e.Regular {
			add(e)
		}
	}
	if len(inputs) == 0 {
		return nil, usagef("no object matches %s", at.name)
	}
	return inputs, nil
}

// cutGlob splits a key before its first wildcard.
func cutGlob(key string) (literal, pattern string, glob bool) {
	i := strings.IndexAny(key, "*?[")
	if i < 0 {
		return key, "", false
	}
	return key[:i], key[i:], true
}

// parquet is what cat prints of a URL: the object of that name, or all Parquet files below it. Unless the name is that of
// a file, what lies below is looked for first: who may read an output need not be allowed to list anything else.
func (b *buckets) parquet(ctx context.Context, at place) (dataset.Input, error) {
	key := at.key()
	if key != "" && !strings.HasSuffix(key, "/") {
		s, err := b.open(ctx, at.within(""))
		if err != nil {
			return dataset.Input{}, err
		}
		below := false
		if path.Ext(key) != ".parquet" {
			if _, below, err = firstBelow(ctx, s, key+"/"); err != nil {
				return dataset.Input{}, err
			}
		}
		if !below {
			e, found, err := firstBelow(ctx, s, key)
			if err != nil {
				return dataset.Input{}, err
			}
			if found && e.Name == key {
				return dataset.Input{Store: s, Name: key}, nil
			}
		}
	}
	s, err := b.open(ctx, at.within(strings.Trim(key, "/")))
	return dataset.Input{Store: s}, err
}
