package emulator

import (
	"fmt"
	"strconv"
	"strings"
)

// query is a search expression: words and "quoted phrases" joined by AND, OR, NOT and parentheses,
// and the operators lang:, sourcetype: and published: with >, >=, < or <= and epoch milliseconds. The
// documents have no meaning, so whether a word occurs in one is decided by a hash, for about two
// documents in five; the same word always selects the same documents.
type query struct {
	node node
	term string // the first word, which snippets mark
	text string
}

// node decides one (sub)expression.
type node func(*corpus, *traits) bool

func (q query) matches(c *corpus, t *traits) bool { return q.node == nil || q.node(c, t) }

// Limits of the query syntax (Talkwalker API, older reference).
const (
	maxOperands    = 50
	maxQueryLength = 4096
)

// parseQuery returns code 4 with details for what it cannot read. Nothing but space is the zero query.
func parseQuery(text string) (query, *apiError) {
	if strings.TrimSpace(text) == "" {
		return query{}, nil
	}
	if len([]rune(text)) > maxQueryLength {
		return query{}, fail(4, "details", fmt.Sprintf("the query is longer than %d characters", maxQueryLength))
	}
	p := &parser{tokens: lex(text)}
	n, err := p.or()
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("unexpected %q", p.tokens[p.at])
	}
	if err == nil && p.operands > maxOperands {
		err = fmt.Errorf("%d operands, at most %d are allowed", p.operands, maxOperands)
	}
	if err != nil {
		return query{}, fail(4, "details", err.Error())
	}
	return query{n, p.term, text}, nil
}

// lex splits into words, quoted phrases (with their quotes; without the last one when it is missing)
// and parentheses.
func lex(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		switch text[i] {
		case ' ', '\t', '\n', '\r':
			i++
		case '(', ')':
			tokens = append(tokens, text[i:i+1])
			i++
		case '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return append(tokens, text[i:])
			}
			tokens = append(tokens, text[i:i+end+2])
			i += end + 2
		default:
			end := strings.IndexAny(text[i:], " \t\r\n()\"")
			if end < 0 {
				end = len(text) - i
			}
			tokens = append(tokens, text[i:i+end])
			i += end
		}
	}
	return tokens
}

type parser struct {
	tokens   []string
	at       int
	operands int
	term     string
	depth    int
}

func (p *parser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *parser) or() (node, error) {
	left, err := p.and()
	for err == nil && p.peek() == "OR" {
		p.at++
		var right node
		if right, err = p.and(); err == nil {
			l := left
			left = func(c *corpus, t *traits) bool { return l(c, t) || right(c, t) }
		}
	}
	return left, err
}

func (p *parser) and() (node, error) {
	left, err := p.not()
	for err == nil {
		switch p.peek() {
		case "AND":
			p.at++
		case "", "OR", ")":
			return left, nil
		}
		var right node
		if right, err = p.not(); err == nil {
			l := left
			left = func(c *corpus, t *traits) bool { return l(c, t) && right(c, t) }
		}
	}
	return left, err
}

func (p *parser) not() (node, error) {
	if p.peek() == "NOT" {
		p.at++
		n, err := p.operand()
		return func(c *corpus, t *traits) bool { return !n(c, t) }, err
	}
	return p.operand()
}

func (p *parser) operand() (node, error) {
	token := p.peek()
	p.at++
	switch token {
	case "":
		return nil, fmt.Errorf("the query ends where an operand is expected")
	case "AND", "OR", "NOT", ")":
		return nil, fmt.Errorf("%q where an operand is expected", token)
	case "(":
		if p.depth++; p.depth > maxOperands {
			return nil, fmt.Errorf("too many parentheses")
		}
		n, err := p.or()
		if err == nil && p.peek() != ")" {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		p.at++
		p.depth--
		return n, err
	}
	p.operands++
	if token[0] == '"' {
		if len(token) < 3 || token[len(token)-1] != '"' {
			return nil, fmt.Errorf("a quotation mark is not closed, or encloses nothing")
		}
		return p.word(token[1 : len(token)-1]), nil
	}
	name, value, ok := strings.Cut(token, ":")
	switch {
	case ok && name == "lang":
		return func(c *corpus, t *traits) bool { return c.languages[t.lang].code == value }, nil
	case ok && name == "sourcetype":
		return func(_ *corpus, t *traits) bool { return strings.Contains(kinds[t.kind].sourceType, value) }, nil
	case ok && name == "published":
		return publishedNode(value)
	}
	return p.word(token), nil
}

func (p *parser) word(w string) node {
	if p.term == "" {
		p.term = w
	}
	h := hashString(strings.ToLower(w))
	return func(_ *corpus, t *traits) bool { return mix(t.key^h)%5 < 2 }
}

func publishedNode(value string) (node, error) {
	op := value[:len(value)-len(strings.TrimLeft(value, "<>="))]
	ms, err := strconv.ParseInt(value[len(op):], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("published:%s needs >, >=, < or <= and epoch milliseconds", value)
	}
	switch op {
	case ">=":
		return func(_ *corpus, t *traits) bool { return t.at >= ms }, nil
	case ">":
		return func(_ *corpus, t *traits) bool { return t.at > ms }, nil
	case "<":
		return func(_ *corpus, t *traits) bool { return t.at < ms }, nil
	case "<=":
		return func(_ *corpus, t *traits) bool { return t.at <= ms }, nil
	}
	return nil, fmt.Errorf("published:%s needs >, >=, < or <= and epoch milliseconds", value)
}
