package activity

import (
	"html"
	"slices"
)

// misskeyQuote is the relation by which a Link in Tag says that it is what the object quotes. FEP-e232.
const misskeyQuote = "https://misskey-hub.net/ns#_misskey_quote"

// Quoted is the id of what o quotes, "" if it quotes nothing. It looks where Mastodon does, in quote,
// _misskey_quote, quoteUrl and quoteUri in this order, and then for a [Quotation] in Tag, which is
// what Threads writes. Whether the author of that agreed is another matter: see QuoteAuthorization.
// FEP-044f, FEP-e232.
func (o *Object) Quoted() string {
	for _, r := range []Ref{o.Quote, o.MisskeyQuote, o.QuoteURL, o.QuoteURI} {
		if r.ID != "" {
			return r.ID
		}
	}
	for _, r := range o.Tag[:min(len(o.Tag), maxListed)] {
		if len(r.Raw) == 0 {
			continue
		}
		if v, ok := r.value(); !ok || !v.isType(TypeLink) {
			continue // a Mention or a Hashtag, nearly always
		}
		var l Link
		if l.UnmarshalJSON(r.Raw) == nil && l.Rel.Is(misskeyQuote) {
			return l.Href
		}
	}
	return ""
}

// SetQuote makes o quote the object with this id, in every spelling that peers read. The text should
// say so too, for those who read none: see [QuoteHTML].
func (o *Object) SetQuote(id string) {
	quoted := IRI(id)
	o.Quote, o.MisskeyQuote, o.QuoteURL, o.QuoteURI = quoted, quoted, quoted, quoted
	o.Tag = append(slices.DeleteFunc(slices.Clone(o.Tag), func(r Ref) bool {
		var l Link
		return len(r.Raw) > 0 && l.UnmarshalJSON(r.Raw) == nil && l.Rel.Is(misskeyQuote)
	}), Embed(Quotation(id)))
}

// Quotation makes an entry of Tag that links what an object quotes. FEP-e232.
func Quotation(id string) *Link {
	return &Link{Type: Types{TypeLink}, Href: id, Rel: Types{misskeyQuote}, MediaType: LDContentType, Name: "RE: " + id}
}

// QuoteHTML makes what stands before the text of an object that quotes, and that servers which show the
// quotation leave out. url is the page for people.
func QuoteHTML(url string) string {
	url = html.EscapeString(url)
	return `<p class="quote-inline">RE: <a href="` + url + `">` + url + `</a></p>`
}

// QuoteRequest asks the author of quoted for leave to quote it in quote, whose author is the actor. The
// answer is an Accept whose Result is the authorization, or a Reject. FEP-044f.
func QuoteRequest(id string, quote, quoted *Object) *Activity {
	return &Activity{
		ID: id, Type: Types{TypeQuoteRequest}, Actor: IRI(quote.AttributedTo.First()),
		Object: Refs{IRI(quoted.ID)}, Instrument: Embed(quote), To: addressed(quoted.AttributedTo.First()),
	}
}

// QuoteAuthorization is the leave of author that quote, an id, may quote quoted, one of author's. It has
// to be served at its id, and to be deleted when author changes their mind. FEP-044f.
func QuoteAuthorization(id, author, quote, quoted string) *Object {
	return &Object{
		ID: id, Type: Types{TypeQuoteAuthorization}, AttributedTo: Refs{IRI(author)},
		InteractingObject: IRI(quote), InteractionTarget: IRI(quoted),
	}
}
