package object

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"tw2parquet/sink/store"
)

// Address takes "scheme://bucket/prefix?parameter=value" apart. parameters are told their values. No error shows a value,
// since it may be a credential that somebody put in the wrong place; credentials says which is the right one.
func Address(u *url.URL, scheme, credentials string, parameters map[string]func(value string) error) (prefix string, err error) {
	fail := func(err error, hint string) (string, error) {
		return "", &store.Error{Op: "open", Path: scheme + "://" + u.Host, Err: err, Hint: hint}
	}
	prefix = strings.Trim(u.Path, "/")
	switch {
	case u.Scheme != scheme || u.Host == "":
		return fail(errors.New("not the address of a bucket"), fmt.Sprintf("use %s://bucket/prefix", scheme))
	case u.User != nil:
		return fail(errors.New("an address with a user or a password"), credentials)
	case prefix != "" && path.Clean(prefix) != prefix || u.Fragment != "":
		return fail(errors.New("the prefix is not a plain path"), fmt.Sprintf("use %s://bucket/some/prefix, without . and .., empty elements or #", scheme))
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail(errors.New("the parameters of the address are not well-formed"), "")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		set := parameters[name]
		if set == nil {
			return fail(fmt.Errorf("unknown parameter %q; known are %s", name, strings.Join(slices.Sorted(maps.Keys(parameters)), ", ")), credentials)
		}
		if len(values[name]) > 1 {
			return fail(fmt.Errorf("parameter %s is given twice", name), "")
		}
		if err := set(values[name][0]); err != nil {
			return fail(fmt.Errorf("parameter %s: %w", name, err), "")
		}
	}
	return prefix, nil
}

// Text is a parameter that is taken as it is.
func Text(to *string) func(string) error {
	return func(value string) error {
		*to = value
		return nil
	}
}

// Flag is a parameter that is true or false.
func Flag(to *bool) func(string) error {
	return func(value string) (err error) {
		if *to, err = strconv.ParseBool(value); err != nil {
			return errors.New("expected true or false")
		}
		return nil
	}
}
