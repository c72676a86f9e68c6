package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// detail is one entry of result_error.data.
type detail struct {
	Key   string   `json:"key"`
	Value []string `json:"value"`
}

// apiError is an answer other than OK.
type apiError struct {
	Code    int
	HTTP    int // 0: the documented status of the code
	Message string
	Details []detail
}

func (e *apiError) Error() string { return fmt.Sprintf("code %d: %s", e.Code, e.text()) }

func (e *apiError) text() string {
	if e.Message != "" {
		return e.Message
	}
	return errorTable[e.Code].message
}

func (e *apiError) status() int {
	if e.HTTP != 0 {
		return e.HTTP
	}
	if row, ok := errorTable[e.Code]; ok {
		return row.http
	}
	return http.StatusInternalServerError
}

// fail builds an error with details given as key, value, key, value.
func fail(code int, keysAndValues ...string) *apiError {
	e := &apiError{Code: code}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		e.Details = append(e.Details, detail{keysAndValues[i], []string{keysAndValues[i+1]}})
	}
	return e
}

// errorTable holds the HTTP status of every documented code (Talkwalker API, error codes). The text of
// 15 is the API's; the others only say the same in our words.
var errorTable = map[int]struct {
	http    int
	message string
}{
	0:  {200, "OK"},
	1:  {500, "Unexpected server error."},
	2:  {500, "The search could not be executed."},
	3:  {400, "A required parameter is missing."},
	4:  {400, "The query could not be parsed."},
	5:  {400, "A parameter has an invalid value."},
	7:  {401, "The access token is missing, invalid or inactive."},
	8:  {401, "The call limit of this endpoint is exceeded."},
	9:  {401, "No credits left."},
	10: {403, "The API application is inactive."},
	11: {403, "No such application is linked to this token."},
	12: {403, "The linked application is inactive or deleted."},
	13: {403, "The access token has not the rights for this call."},
	15: {404, "Wrong stream id. No such stream defined."},
	16: {400, "Invalid operation on a document."},
	17: {400, "The JSON of the request could not be parsed."},
	18: {400, "Invalid operation on a stream."},
	19: {403, "Too many rules."},
	20: {403, "No more streams can be created."},
	21: {403, "A stream of this name exists."},
	22: {403, "Too many sources."},
	23: {403, "The stream has no rules."},
	24: {403, "Disconnected: a newer connection reads the same stream."},
	25: {403, "The stream was disconnected."},
	26: {404, "No such endpoint or action."},
	27: {403, "HTTPS is required."},
	28: {404, "The user is not part of this application."},
	29: {403, "The project is not accessible with this token."},
	30: {429, "Too many concurrent streams."},
}

// result is the payload of an envelope: one key beside the common ones, sometimes two.
type result struct {
	key   string
	value any
	extra string // a second key, written before the first
	more  any
}

// answer writes the envelope of a call. The members' order varies, as it does in the API's own
// examples.
func (c *call) answer(res result, apiErr *apiError) {
	code, text, status := 0, "OK", http.StatusOK
	if apiErr != nil {
		code, text, status = apiErr.Code, apiErr.text(), apiErr.status()
		res = result{}
		if len(apiErr.Details) > 0 {
			res = result{key: "result_error", value: map[string]any{"data": apiErr.Details}}
		}
	}
	c.code = code
	body := c.envelope(code, text, res)
	h := c.w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

func (c *call) envelope(code int, text string, res result) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(key string, value any) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", key)
		b.Write(encode(value))
	}
	head := func() {
		member("status_code", strconv.Itoa(code))
		member("status_message", text)
	}
	last := c.number%3 == 2
	if !last {
		head()
	}
	member("request", c.echo())
	member("request_id", c.requestID())
	if res.extra != "" {
		member(res.extra, res.more)
	}
	if res.key != "" {
		member(res.key, res.value)
	}
	if last {
		head()
	}
	b.WriteByte('}')
	if c.r.URL.Query().Get("pretty") == "true" {
		var p bytes.Buffer
		_ = json.Indent(&p, b.Bytes(), "", "  ")
		return p.Bytes()
	}
	return b.Bytes()
}

// encode is json.Marshal without its escaping of <, > and &, for values that always encode.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// echo is the request line as the API repeats it: with the query, the token included.
func (c *call) echo() string {
	line := c.r.Method + " " + c.r.URL.RequestURI()
	if c.s.cfg.MaskToken && c.token != "" {
		line = strings.ReplaceAll(line, c.r.URL.Query().Get("access_token"), "***")
	}
	return line
}

const idLetters = "abcdefghijklmnopqrstuvwxyz0123456789"

// opaqueID looks like the API's request and connection ids: 12 characters between hashes.
func opaqueID(h uint64) string {
	b := []byte("#............#")
	for i := 1; i < 13; i++ {
		b[i] = idLetters[h%36]
		if h /= 36; i == 6 {
			h = mix(h + 1)
		}
	}
	return string(b)
}

func (c *call) requestID() string { return opaqueID(mix(c.s.cfg.Seed ^ mix(c.number))) }
