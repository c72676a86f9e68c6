package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
)

// Kind selects the documents of a corpus.
type Kind string

// The kinds. Mix holds all the others in the shares of a project export.
const (
	Mix    Kind = "mix"
	X      Kind = "x"      // ids and sentiment only, some 400 bytes
	News   Kind = "news"   // content cut after 128 or 223 characters, images, links, counters
	Blog   Kind = "blog"   // full text
	Forum  Kind = "forum"  // short full text
	Review Kind = "review" // rating, labels, entities, custom members

	// Rich is Mix with what surrounds sentences on the web: hashtags, links, emoji, quoted replies, and notices that sites share.
	Rich Kind = "rich"

	// Prose is Mix with titles and contents that people wrote: the documentation that lies on this machine. It is
	// the same on the same machine only.
	Prose Kind = "prose"
)

// Kinds lists the kinds that are the same everywhere, Mix first.
func Kinds() []Kind { return []Kind{Mix, X, News, Blog, Forum, Review} }

const (
	// defaultControlEvery is the API's batch size as far as it shows: exports overshoot their limit
	// by up to some 1,000 results.
	defaultControlEvery = 1000
	flushBytes          = 1 << 20
)

// Corpus describes a recorded collector stream. Equal values write equal bytes, and a corpus of more
// results starts with the results of a smaller one.
type Corpus struct {
	Seed    uint64
	Kind    Kind // "" is Mix
	Results int
	// ControlEvery is the number of results between control chunks; 0 is 1,000, less than 0 means
	// none before the last.
	ControlEvery int
}

// WriteTo writes the stream: the echoing control chunk, results with control chunks between them, and
// the last control chunk. It returns the bytes written and the first error of w.
func (c Corpus) WriteTo(w io.Writer) (int64, error) {
	g, err := newGenerator(c.Seed, c.Kind)
	if err != nil {
		return 0, err
	}
	every := c.ControlEvery
	if every == 0 {
		every = defaultControlEvery
	}
	var written int64
	buf := make([]byte, 0, flushBytes+1<<18)
	flush := func() error {
		n, err := w.Write(buf)
		written += int64(n)
		buf = buf[:0]
		return err
	}
	buf = control(buf, "earliest")
	for i := range c.Results {
		if every > 0 && i > 0 && i%every == 0 {
			buf = control(buf, offset(i))
		}
		buf = append(g.result(buf), '\n')
		if len(buf) >= flushBytes {
			if err := flush(); err != nil {
				return written, err
			}
		}
	}
	buf = control(buf, offset(c.Results))
	return written, flush()
}

// Chunks returns the CT_RESULT chunks of the stream, each in memory of its own, without the line feed.
func (c Corpus) Chunks() ([][]byte, error) {
	g, err := newGenerator(c.Seed, c.Kind)
	if err != nil {
		return nil, err
	}
	chunks := make([][]byte, c.Results)
	for i := range chunks {
		chunks[i] = g.result(make([]byte, 0, 2048))
	}
	return chunks, nil
}

// control appends a CT_CONTROL line.
func control(dst []byte, offset string) []byte {
	dst = append(dst, `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#bench0corpus#","resume_offset":"`...)
	return append(append(dst, offset...), `","collector_id":"bench_corpus"}}`+"\n"...)
}

// offset is opaque to readers, as the API's are.
func offset(results int) string {
	return "Eg" + strconv.FormatUint(uint64(results)*0x9e3779b1%(1<<40), 36)
}

// generator makes one result after the other.
type generator struct {
	writer
	*world
	kind     Kind
	seed     uint64
	document uint64 // number of the next document
	second   bool   // the next result is the UPDATED copy of the document before
	rich     *rich  // nil: the texts are sentences alone
	title    []byte
	body     []byte
	address  []byte
	teaser   []byte
}

// place holds the sites of a kind and how often each is met.
type place struct {
	sites []site
	ranks zipf
}

func newGenerator(seed uint64, kind Kind) (*generator, error) {
	if kind != Prose {
		return generatorOf(seed, kind, nil)
	}
	texts, err := readProse(libraries(), seed)
	if err != nil {
		return nil, err
	}
	return generatorOf(seed, Mix, texts)
}

// generatorOf makes a generator that takes its texts from those given, if there are any.
func generatorOf(seed uint64, kind Kind, texts prose) (*generator, error) {
	adorned := kind == Rich
	if kind == "" || adorned {
		kind = Mix
	}
	if !slices.Contains(Kinds(), kind) {
		return nil, fmt.Errorf("corpus kind %q: not one of %v, %s or %s", kind, Kinds(), Rich, Prose)
	}
	w := worldOf(seed, texts)
	g := &generator{kind: kind, seed: seed, world: w, writer: writer{ranks: w.ranks, sayings: w.sayings}}
	if adorned {
		g.rich = newRich(seed, w)
	}
	return g, nil
}

// world holds the words and the sites of a seed, which are the same for every kind. Nobody changes it.
type world struct {
	ranks, sayings zipf // of words and of phrases
	languages      []language
	weights        []int // languages, as often as they are met
	places         map[Kind]*place
}

// lastWorld is kept because tests ask for the same few again and again, and one takes a tenth of a second.
var lastWorld struct {
	sync.Mutex
	seed  uint64
	world *world
}

func worldOf(seed uint64, texts prose) *world {
	if texts != nil {
		return newWorld(seed, texts)
	}
	lastWorld.Lock()
	defer lastWorld.Unlock()
	if lastWorld.world == nil || lastWorld.seed != seed {
		lastWorld.seed, lastWorld.world = seed, newWorld(seed, nil)
	}
	return lastWorld.world
}

func newWorld(seed uint64, texts prose) *world {
	r := rng(seed)
	w := &world{ranks: newZipf(vocabularySize, 2.7), sayings: newZipf(phraseCount, 8), places: make(map[Kind]*place)}
	for i, s := range scripts() {
		own := r.fork()
		w.languages = append(w.languages, s.language(&own, w.ranks))
		for range s.weight {
			w.weights = append(w.weights, i)
		}
		w.languages[i].prose = texts[s.code]
	}
	if texts != nil {
		w.weights = texts.shares(w.languages)
	}
	for _, p := range []struct {
		kind  Kind
		sites int
	}{{News, 1500}, {Blog, 2500}, {Forum, 700}, {Review, 150}} {
		own := r.fork()
		w.places[p.kind] = &place{sites: w.sites(&own, p.kind, p.sites), ranks: newZipf(p.sites, 6)}
	}
	return w
}

func (w *world) pickLanguage(r *rng) int { return w.weights[r.below(len(w.weights))] }

// result appends the next CT_RESULT chunk without a line feed. Some documents come as a pair: first the
// copy marked NEW, later in the index and without counters, then the UPDATED one.
func (g *generator) result(dst []byte) []byte {
	// Each document has a generator of its own, so that the second copy repeats the first.
	own := rng(g.seed ^ (g.document+1)*0xd1342543de82ef95)
	r := own.fork()
	kind := g.kind
	if kind == Mix {
		kind = mixed(&r)
	}
	c := copyOnly
	switch {
	case g.second:
		c = copyUpdated
		g.second = false
	case kind != X && r.percent(6):
		c = copyNew
		g.second = true
	}
	if c == copyUpdated {
		r.percent(6) // the draw that made the first copy a pair
	}
	if c != copyNew {
		g.document++
	}
	return g.chunk(dst, &r, kind, c)
}

// mixed draws a kind in the shares of a project export.
func mixed(r *rng) Kind {
	switch u := r.below(100); {
	case u < 13:
		return X
	case u < 46:
		return News
	case u < 69:
		return Blog
	case u < 92:
		return Forum
	default:
		return Review
	}
}
