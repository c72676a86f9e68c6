package source

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose members are looked at one by one: names are compared exactly, what is
// unknown stays out of the way, and a member of an unexpected type spoils nothing but itself.
type object map[string]json.RawMessage

// parseObject accepts exactly one JSON object.
func parseObject(text []byte) (object, bool) {
	var o object
	if json.Unmarshal(text, &o) != nil || o == nil {
		return nil, false
	}
	return o, true
}

// jsonText is JSON that people may read: <, > and & stay as they are.
func jsonText(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// text is the member as a string; a number or true is returned as it is written.
func (o object) text(key string) string {
	raw := o[key]
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// integer is the member as a whole number, written as 1, "1", 1.0 or 1e3; ok is false for anything else.
func (o object) integer(key string) (n int64, ok bool) {
	text := strings.TrimSpace(o.text(key))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) >= 1<<63 || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

func (o object) count(key string) int64 {
	n, _ := o.integer(key)
	return max(n, 0)
}

func (o object) float(key string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(o.text(key)), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// when is the member as a time: RFC 3339 or epoch milliseconds; zero if it is neither.
func (o object) when(key string) time.Time {
	if ms, ok := o.integer(key); ok && ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	t, err := time.Parse(time.RFC3339Nano, o.text(key))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (o object) object(key string) object {
	var inner object
	if raw := o[key]; len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &inner) != nil {
		return nil
	}
	return inner
}

// list is the objects of an array; members of other types are left out, and a single object counts as
// a list of one.
func (o object) list(key string) []object {
	if one := o.object(key); one != nil {
		return []object{one}
	}
	var list []object
	for _, raw := range o.raws(key) {
		var inner object
		if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &inner) == nil {
			list = append(list, inner)
		}
	}
	return list
}

func (o object) raws(key string) []json.RawMessage {
	var raws []json.RawMessage
	if raw := o[key]; len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &raws) != nil {
		return nil
	}
	return raws
}

// detailKeys are what the error codes page names; they come in result_error.data, or at the top.
var detailKeys = []string{"params", "param", "details", "reason", "appId", "rights_req", "rights_got",
	"number_max", "number_available", "number_saving", "stream_id"}

// explain joins the status message and the details of an envelope. The request member, an echo of the
// request line with the token in it, is not looked at.
func (o object) explain() string {
	parts := []string{}
	if message := o.text("status_message"); message != "" {
		parts = append(parts, message)
	}
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+" "+value)
		}
	}
	for _, detail := range o.object("result_error").list("data") {
		value := detail.text("value")
		for _, raw := range detail.raws("value") {
			value = strings.TrimPrefix(value+", "+object{"v": raw}.text("v"), ", ")
		}
		add(detail.text("key"), value)
	}
	for _, key := range detailKeys {
		value := o.text(key)
		if value == "" && len(o[key]) > 0 && string(o[key]) != "null" {
			value = string(o[key])
		}
		add(key, value)
	}
	return strings.Join(parts, "; ")
}

// code is the envelope's status_code, -1 if it has none.
func (o object) code() int {
	n, ok := o.integer("status_code")
	if !ok || n < 0 || n > 1<<20 {
		return -1
	}
	return int(n)
}
