package gcs

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"tw2parquet/sink/store/object"
)

const bearer = "ya29.bearer-token"

// server plays Google Cloud Storage as its documentation describes it, sessions above all.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	objects  map[string]stored
	sessions map[string]*upload
	count    int
	requests []string

	// early makes it look at the condition when a session begins, too.
	early bool
	// most is how much one request of a session may bring; 0: any amount.
	most int
	// before answers a request in its place, if it returns true; it may also panic.
	before func(w http.ResponseWriter, r *http.Request) bool
	// after is called when a request was executed, and loses its answer if it returns true.
	after func(r *http.Request) bool
}

type stored struct {
	body       []byte
	generation int
}

type upload struct {
	name string
	body []byte
	done bool
}

func newServer(t *testing.T) *server {
	s := &server{objects: map[string]stored{}, sessions: map[string]*upload{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if s.before != nil && s.before(w, r) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		recorder := httptest.NewRecorder()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Content-Range"))
		s.serve(recorder, r, body)
		if s.after != nil && s.after(r) {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	}))
	t.Cleanup(s.Close)
	return s
}

// bucket is a driver for the server.
func (s *server) bucket(t *testing.T) *bucket {
	b := newBucket("bucket", object.NewSecrets(nil))
	b.endpoint, b.tokens = s.URL, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: bearer})
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Guploader-Uploadid", "request-id")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%d,"message":"the message","errors":[{"domain":"global","reason":%q,"message":"the message"}]}}`, status, reason)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	query := r.URL.Query()
	if id := query.Get("upload_id"); id != "" {
		s.session(w, r, s.sessions[id], body)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+bearer {
		refuse(w, http.StatusUnauthorized, "authError")
		return
	}
	path := strings.Split(r.URL.EscapedPath(), "/b/bucket/o")
	if len(path) != 2 {
		refuse(w, http.StatusNotFound, "notFound")
		return
	}
	name, _ := url.PathUnescape(strings.TrimPrefix(path[1], "/"))
	there, taken := s.objects[name]
	switch {
	case path[0] == "/upload/storage/v1" && r.Method == http.MethodPost:
		s.insert(w, r, body)
	case r.Method == http.MethodGet && name == "":
		s.list(w, query)
	case !taken:
		refuse(w, http.StatusNotFound, "notFound")
	case r.Method == http.MethodDelete:
		if g := query.Get("ifGenerationMatch"); g != "" && g != strconv.Itoa(there.generation) {
			refuse(w, http.StatusPreconditionFailed, "conditionNotMet")
			return
		}
		delete(s.objects, name)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && query.Get("alt") == "media":
		http.ServeContent(w, r, "", there.time(), strings.NewReader(string(there.body)))
	default:
		refuse(w, http.StatusBadRequest, "invalid")
	}
}

func (s *server) list(w http.ResponseWriter, query url.Values) {
	type item struct{ Name, Size, Generation string }
	var page struct {
		Items         []item
		NextPageToken string
	}
	most, _ := strconv.Atoi(query.Get("maxResults"))
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(name, query.Get("prefix")) || name <= query.Get("pageToken") {
			continue
		}
		if len(page.Items) == most {
			page.NextPageToken = page.Items[most-1].Name
			break
		}
		page.Items = append(page.Items, item{name, strconv.Itoa(len(s.objects[name].body)), strconv.Itoa(s.objects[name].generation)})
	}
	if err := json.NewEncoder(w).Encode(page); err != nil {
		panic(err)
	}
}

func (s *server) insert(w http.ResponseWriter, r *http.Request, body []byte) {
	query := r.URL.Query()
	name := query.Get("name")
	if query.Get("ifGenerationMatch") != "0" || name == "" {
		refuse(w, http.StatusBadRequest, "required")
		return
	}
	if query.Get("uploadType") == "resumable" {
		if _, taken := s.objects[name]; taken && s.early {
			refuse(w, http.StatusPreconditionFailed, "conditionNotMet")
			return
		}
		s.count++
		id := fmt.Sprint("secret-upload-", s.count)
		s.sessions[id] = &upload{name: name}
		w.Header().Set("Location", s.URL+"/upload/storage/v1/b/bucket/o?upload_id="+id)
		w.Header().Set("X-Guploader-Uploadid", id)
		return
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" || query.Get("uploadType") != "multipart" {
		refuse(w, http.StatusBadRequest, "invalid")
		return
	}
	parts := multipart.NewReader(strings.NewReader(string(body)), parameters["boundary"])
	var texts [2][]byte
	for i := range texts {
		part, err := parts.NextPart()
		if err == nil {
			texts[i], err = io.ReadAll(part)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "invalid")
			return
		}
	}
	var metadata struct{ CRC32C string }
	if err := json.Unmarshal(texts[0], &metadata); err != nil {
		refuse(w, http.StatusBadRequest, "parseError")
		return
	}
	s.create(w, name, texts[1], metadata.CRC32C)
}

func (s *server) create(w http.ResponseWriter, name string, body []byte, sum string) {
	switch _, taken := s.objects[name]; {
	case taken:
		refuse(w, http.StatusPreconditionFailed, "conditionNotMet")
	case sum != checksum(crc32.Checksum(body, castagnoli)):
		refuse(w, http.StatusBadRequest, "invalid")
	default:
		s.count++
		s.objects[name] = stored{body, s.count}
		fmt.Fprintf(w, `{"name":%q}`, name)
	}
}

// session is one request with the address of an upload: PUT of bytes that begin where it ends, of nothing
// to ask where that is, and DELETE.
func (s *server) session(w http.ResponseWriter, r *http.Request, u *upload, body []byte) {
	switch {
	case r.Header.Get("Authorization") != "":
		refuse(w, http.StatusBadRequest, "invalid") // the address is credential enough
		return
	case u == nil:
		refuse(w, http.StatusNotFound, "notFound")
		return
	case r.Method == http.MethodDelete:
		u.name = "" // nobody
		delete(s.sessions, r.URL.Query().Get("upload_id"))
		w.WriteHeader(499)
		return
	case u.done:
		fmt.Fprint(w, "{}")
		return
	}
	span, all, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	total := -1
	if all != "*" {
		total, _ = strconv.Atoi(all)
	}
	if span != "*" {
		var first, last int
		if _, err := fmt.Sscanf(span, "%d-%d", &first, &last); err != nil || last-first+1 != len(body) || first != len(u.body) ||
			total < 0 && len(body)%grain != 0 || total >= 0 && last >= total {
			refuse(w, http.StatusBadRequest, "badRequest")
			return
		}
		if s.most > 0 && len(body) > s.most {
			body = body[:s.most/grain*grain]
		}
		u.body = append(u.body, body...)
	}
	if total == len(u.body) {
		s.create(w, u.name, u.body, strings.TrimPrefix(r.Header.Get("X-Goog-Hash"), "crc32c="))
		if _, u.done = s.objects[u.name]; !u.done {
			return
		}
		return
	}
	if len(u.body) > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(u.body)-1))
	}
	w.WriteHeader(http.StatusPermanentRedirect)
}
