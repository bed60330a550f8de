package media

// Observer is told what happens, for metrics. Its method is called by many goroutines at once and must return at once; it
// must not call the [Proxy].
type Observer interface {
	// Served is called after each GET or HEAD was answered.
	Served(Served)
}

// Served tells of an answer.
type Served struct {
	From  Source // "" if no picture was shown
	Bytes int64  // of the picture, whether all of them were asked for or not
	Err   error  // why none was shown: an [*Error], mostly, and text that has an address in it
}

// Source says where a picture came from.
type Source string

// The values of Source.
const (
	FromCopy   Source = "copy"
	FromServer Source = "server" // it was fetched, perhaps for another who waited too
	FromPast   Source = "past"   // an old copy, because it could not be fetched
)

func (p *Proxy) tell(s Served) {
	if p.config.Observer != nil {
		p.config.Observer.Served(s)
	}
}
