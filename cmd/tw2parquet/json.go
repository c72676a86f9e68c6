package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// jsonText is how every command writes JSON, with a newline at the end: on one line, or indented for people.
// It is read by people and programs, never as a part of HTML, so <, > and & stay as they are.
func jsonText(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return b.Bytes(), nil
}

// indented is how the commands that show something print it.
func (a *app) indented(v any) error {
	text, err := jsonText(v, "  ")
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(text)
	return err
}
