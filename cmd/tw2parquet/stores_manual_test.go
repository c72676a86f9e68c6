package main

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The drivers name all their parameters to those who give another one.
func TestManual_ParametersOfStores(t *testing.T) {
	for _, kind := range []string{"s3", "gs", "azblob"} {
		open := stores[kind]
		if open == nil {
			t.Fatalf("%s cannot be opened", kind)
		}
		_, err := open(t.Context(), &url.URL{Scheme: kind, Host: "bucket", Path: "/lake", RawQuery: "none=such"}, opening{log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Fatalf("%s took a parameter that is not there", kind)
		}
		_, list, _ := strings.Cut(err.Error(), "known are ")
		list, _, _ = strings.Cut(list, " (")
		names := strings.Split(list, ", ")
		differ(t, "parameters of "+kind, documented(section(t, "stores", "Parameters of "+kind)), names)
		for _, m := range regexp.MustCompile(kind+`://[^?\s`+"`"+`']*\?([^\s`+"`"+`']+)`).FindAllStringSubmatch(topicText(t, "stores"), -1) {
			values, err := url.ParseQuery(m[1])
			if err != nil {
				t.Error(err)
			}
			for name := range values {
				if !slices.Contains(names, name) {
					t.Errorf("%s has no parameter %s", m[0], name)
				}
			}
		}
	}
}

// Every class of failure that package store has is a code that people look up.
func TestManual_CodesOfStores(t *testing.T) {
	source, err := os.ReadFile("../../sink/store/remote.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{"storage"}
	for _, class := range matches(`Class += "(\w+)"`, string(source)) {
		codes = append(codes, "store_"+class)
	}
	if len(codes) < 5 {
		t.Fatalf("only %q were found", codes)
	}
	differ(t, "codes of stores", matches("(?m)^- `(\\w+)`", section(t, "stores", "Errors")), codes)
}

func TestManual_PoliciesAreJSON(t *testing.T) {
	blocks := matches("(?s)```json\n(.*?)```", topicText(t, "stores"))
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		if !json.Valid([]byte(block)) {
			t.Errorf("not JSON: %s", block)
		}
	}
}
