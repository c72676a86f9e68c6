package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// site is a place documents come from. What is the same in all of its documents is rendered once.
type site struct {
	language   int
	host       string
	addresses  string // "root_url", "domain_url", "host_url"
	sourceType string
	counters   string // "source_extended_attributes", or ""
	source     string // "extra_source_attributes"
	authors    int
	seed       rng
}

// sites makes n sites of a kind. Languages come in the weights of the scripts.
func (w *world) sites(r *rng, kind Kind, n int) []site {
	list := make([]site, n)
	english := &w.languages[0]
	for i := range list {
		s := site{language: w.pickLanguage(r), authors: r.spread(60, 150) + 1, seed: r.fork()}
		l := &w.languages[s.language]
		domain := ascii(english.words[60+r.below(20000)])
		if r.percent(30) {
			domain += ascii(english.words[60+r.below(20000)])
		}
		domain += "." + []string{"com", "net", "org", l.countryCode, l.countryCode, "example"}[r.below(6)]
		s.host = []string{"www.", "www.", "news.", "m.", "blog."}[r.below(5)] + domain
		s.addresses = fmt.Sprintf(`"root_url":"https://%s/","domain_url":"http://%s/","host_url":"http://%s/"`, s.host, domain, s.host)
		s.sourceType = sourceType(r, kind)
		views := r.spread(900000, 220)
		s.counters = `"source_extended_attributes":{"alexa_pageviews":` + strconv.Itoa(views) +
			`,"alexa_unique_visitors":` + strconv.Itoa(views/3)
		if r.percent(70) {
			s.counters += `,"semrush_pageviews":` + strconv.Itoa(views*9/10) + `,"semrush_unique_visitors":` + strconv.Itoa(views*3/10)
		}
		if kind == News && r.percent(50) {
			s.counters += `,"facebook_followers":` + strconv.Itoa(r.spread(40000, 180)) + `,"ave":` + strconv.Itoa(r.below(90000)) + `.` + strconv.Itoa(r.below(9)+1)
		}
		s.counters += "}"
		if r.percent(15) {
			s.counters = ""
		}
		s.source = `"extra_source_attributes":{"world_data":` + worldData(r, l) + fmt.Sprintf(`,"id":"ex:%s","name":"%s"`, s.host, s.host)
		if kind == Forum {
			s.source += fmt.Sprintf(`,"url":"http://%s/f/%d"`, s.host, r.below(40))
		}
		s.source += "}"
		list[i] = s
	}
	return list
}

func sourceType(r *rng, kind Kind) string {
	switch kind {
	case News:
		return `["ONLINENEWS","ONLINENEWS_` + []string{"NEWSPAPER", "OTHER", "MAGAZINE", "AGENCY", "PRESSRELEASES", "TVRADIO"}[r.below(6)] + `"]`
	case Blog:
		return `["BLOG","BLOG_OTHER"]`
	case Forum:
		return `["MESSAGEBOARD","MESSAGEBOARD_` + []string{"OTHER", "OTHER", "REDDIT"}[r.below(3)] + `"]`
	default:
		return `["OTHER"]`
	}
}

// worldData is a place in the language's country, as exact as the API shows: 32-bit coordinates
// widened to 64 bits.
func worldData(r *rng, l *language) string {
	region, resolution := l.city, "COUNTRY"
	lon, lat := l.longitude, l.latitude
	if r.percent(35) {
		region, resolution = capital(ascii(l.words[100+r.below(300)])), "REGION"
		lon = lon[:len(lon)-4] + fmt.Sprintf("%04d", r.below(10000))
		lat = lat[:len(lat)-4] + fmt.Sprintf("%04d", r.below(10000))
	}
	return fmt.Sprintf(`{"continent":"%s","country":"%s","region":"%s","city":"%s","longitude":%s,"latitude":%s,"country_code":"%s","resolution":"%s"}`,
		l.continent, l.country, region, l.city, lon, lat, l.countryCode, resolution)
}

// author appends "extra_author_attributes" for author number n of the site: the same each time.
func (g *generator) author(dst []byte, s *site, n int) []byte {
	own := s.seed + rng(uint64(n)*0x9e3779b97f4a7c15)
	r := &own
	l := &g.languages[s.language]
	first, last := l.capitals[60+r.below(900)], l.capitals[300+r.below(9000)]
	handle := ascii(g.languages[0].words[60+r.below(9000)]) + strconv.Itoa(r.below(100))
	dst = append(dst, `"extra_author_attributes":{`...)
	if r.percent(30) {
		dst = append(append(append(dst, `"world_data":`...), worldData(r, l)...), ',')
	}
	dst = append(append(append(dst, `"id":"ex:`...), s.host...), '-')
	dst = strconv.AppendUint(dst, r.next()>>30, 10)
	dst = append(dst, `","name":"`...)
	dst = append(append(append(dst, first...), ' '), last...)
	dst = append(dst, `","gender":"`...)
	dst = append(dst, []string{"MALE", "FEMALE", "UNKNOWN", "UNKNOWN"}[r.below(4)]...)
	dst = append(dst, '"')
	if r.percent(50) {
		dst = append(append(append(dst, `,"image_url":"https://`...), s.host...), `/img/u/`...)
		dst = append(strconv.AppendUint(dst, r.next(), 36), `.jpg"`...)
	}
	if r.percent(60) {
		dst = append(append(append(dst, `,"short_name":"`...), handle...), `","url":"https://`...)
		dst = append(append(append(append(dst, s.host...), `/u/`...), handle...), '"')
	}
	return append(dst, '}')
}

// ascii replaces what an address does not hold.
func ascii(w string) string {
	return strings.Map(func(c rune) rune {
		if c < 'a' || c > 'z' {
			return 'a' + c%26
		}
		return c
	}, w)
}
