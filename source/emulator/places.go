package emulator

import (
	"fmt"
	"strings"
)

// place is a world_data object; coordinates are 32-bit values widened to 64 bits, as the API's are.
type place struct {
	continent, country, region, city, code string
	longitude, latitude                    float32
	resolution                             string
}

var places = [...]place{
	{"North America", "United States", "District of Columbia", "Washington", "us", -77.04, 38.9, "COUNTRY"},
	{"Europe", "Germany", "Berlin", "Berlin", "de", 13.41, 52.52, "COUNTRY"},
	{"Europe", "France", "Île-de-France", "Paris", "fr", 2.35, 48.85, "COUNTRY"},
	{"Europe", "Spain", "Comunidad de Madrid", "Madrid", "es", -3.7, 40.42, "COUNTRY"},
	{"Asia", "Japan", "Tokyo", "Tokyo", "jp", 139.69, 35.69, "COUNTRY"},
	{"Asia", "Saudi Arabia", "Ar Riyāḑ", "Riyadh", "sa", 46.72, 24.69, "COUNTRY"},
	{"Europe", "Russia", "Moscow", "Moscow", "ru", 37.62, 55.75, "COUNTRY"},
	{"Asia", "China", "Beijing", "Beijing", "cn", 116.4, 39.91, "COUNTRY"},
	{"South America", "Brazil", "Distrito Federal", "Brasília", "br", -47.93, -15.78, "COUNTRY"},
	{"Europe", "Italy", "Lazio", "Rome", "it", 12.51, 41.89, "COUNTRY"},
	{"Asia", "South Korea", "Seoul", "Seoul", "kr", 126.98, 37.57, "COUNTRY"},
	{"Asia", "Thailand", "Bangkok", "Bangkok", "th", 100.5, 13.75, "COUNTRY"},
	{"Europe", "Luxembourg", "Luxembourg", "Luxembourg", "lu", 6.13, 49.61, "COUNTRY"},
	{"Europe", "United Kingdom", "Scotland", "Edinburgh", "gb", -3.2, 55.95, "REGION"},
	{"North America", "Canada", "Quebec", "Montréal", "ca", -73.59, 45.51, "REGION"},
	{"Africa", "Morocco", "Rabat-Salé-Kénitra", "Rabat", "ma", -6.83, 34.01, "COUNTRY"},
}

// countryOf places a document: mostly at its language's home.
func countryOf(lang uint8, local, elsewhere uint32) uint8 {
	if local < 12 {
		return tongues[lang].home
	}
	return uint8(elsewhere)
}

// json renders a world_data object.
func (p *place) json() string {
	return fmt.Sprintf(`{"continent":%s,"country":%s,"region":%s,"city":%s,"longitude":%v,"latitude":%v,"country_code":%q,"resolution":%q}`,
		encode(p.continent), encode(p.country), encode(p.region), encode(p.city),
		float64(p.longitude), float64(p.latitude), p.code, p.resolution)
}

// site is where documents appear, with the members that all its documents share already rendered.
type site struct {
	host, base string
	urls       string // root_url, domain_url, host_url
	source     string // extra_source_attributes
	sourceType string // source_type
	numbers    string // source_extended_attributes
	provider   string // prefix of author ids
}

const sitesPerLanguage = 12

// newSites invents the sites of every kind and language.
func newSites(languages []*language) [][][]site {
	all := make([][][]site, numKinds)
	for k := range all {
		all[k] = make([][]site, len(languages))
		for l := range languages {
			for i := range sitesPerLanguage {
				all[k][l] = append(all[k][l], newSite(kind(k), l, i))
			}
		}
	}
	return all
}

func newSite(k kind, lang, i int) site {
	d := draw(hashString(fmt.Sprint("site", k, lang, i)))
	name := siteNames[d.n(len(siteNames))] + "-" + siteNames[d.n(len(siteNames))]
	p := &places[tongues[lang].home]
	s := site{host: "www." + name + "." + []string{"example", p.code + ".example"}[i&1], provider: "ex"}
	domain := strings.TrimPrefix(s.host, "www.")
	switch k {
	case kindYouTube:
		s.host, domain, s.provider = "www.youtube.com", "youtube.com", "yt"
	case kindTikTok:
		s.host, domain, s.provider = "www.tiktok.com", "tiktok.com", "tt"
	case kindForum:
		if i == 0 {
			s.host, domain, s.provider = "www.reddit.com", "reddit.com", "re"
		}
	}
	scheme := []string{"https", "https", "http"}[i%3]
	s.base = scheme + "://" + s.host
	root := s.base + "/"
	section := ""
	if k == kindForum {
		section = "/forum/" + siteNames[d.n(len(siteNames))]
		root = s.base + section
	}
	s.urls = fmt.Sprintf(`,"root_url":%q,"domain_url":"http://%s/","host_url":"http://%s/"`, root, domain, s.host)
	types := kinds[k].variants
	s.sourceType = types[i%len(types)]
	if k == kindForum && s.provider == "re" {
		s.sourceType = `["MESSAGEBOARD","MESSAGEBOARD_REDDIT"]`
	}
	s.source = fmt.Sprintf(`,"extra_source_attributes":{"world_data":%s,"id":"%s:%s","name":%q`, p.json(), s.provider, s.host, s.host)
	if section != "" {
		s.source += fmt.Sprintf(`,"url":%q`, s.base+section)
	}
	if i == 7 {
		s.source += fmt.Sprintf(`,"geo":%q`, p.code)
	}
	s.source += "}"
	s.numbers = siteNumbers(&d, k, i)
	return s
}

// siteNumbers renders source_extended_attributes; one site in twelve has none.
func siteNumbers(d *draw, k kind, i int) string {
	if i == 5 {
		return ""
	}
	views := d.next() % 3_500_000_000 >> uint(d.n(16))
	out := fmt.Sprintf(`,"source_extended_attributes":{"alexa_pageviews":%d,"alexa_unique_visitors":%d`, views, views/7)
	if i%2 == 0 {
		out += fmt.Sprintf(`,"semrush_pageviews":%d,"semrush_unique_visitors":%d`, views/2, views/11)
	}
	if k == kindNews {
		out += fmt.Sprintf(`,"ave":%v,"print_run_print":%d,"print_run_sales":%d,"print_run_circulation":%d,"online_visits":%d`,
			float64(d.n(100000))/8, d.n(500000), d.n(400000), d.n(450000), d.n(9000000))
	}
	names := []string{"facebook_followers", "twitter_followers", "instagram_followers", "pinterest_followers", "linkedin_followers", "douyin_reach"}
	for j := range d.n(4) {
		out += fmt.Sprintf(`,%q:%d`, names[(i+j)%len(names)], d.n(50_000_000))
	}
	return out + "}"
}

var siteNames = [...]string{
	"harbor", "mosaic", "daily", "compass", "lantern", "orbit", "garden", "signal", "market", "north",
	"kitchen", "velvet", "pixel", "river", "summit", "atlas", "copper", "echo", "field", "granite",
	"island", "junction", "kite", "ledger", "meadow", "nova", "open", "paper", "quartz", "radar",
}

// newPeople invents 1024 display names, escaped for JSON.
func newPeople(languages []*language) []string {
	given := strings.Fields("Jane John Anna Paul Marie Luca Sofía José Jürgen Zoë Łukasz Ana Omar Yuki Mei Ivan Fatima Chloé Søren Nguyễn")
	family := strings.Fields("Example Sample Müller García Rossi Silva Dupont Ivanova Tanaka Kim Hansen O'Neil Novák Öztürk D'Angelo Smith")
	people := make([]string, 1024)
	d := draw(1)
	for i := range people {
		switch i % 8 {
		case 5:
			l := languages[d.n(len(languages))]
			people[i] = string(l.appendWords(nil, &d, 1+d.n(2)))
		case 6:
			people[i] = fmt.Sprintf("%s_%d", given[d.n(len(given))], d.n(10000))
		case 7:
			people[i] = `\"` + given[d.n(len(given))] + `\" 🎉`
		default:
			people[i] = given[d.n(len(given))] + " " + family[d.n(len(family))]
		}
	}
	return people
}
