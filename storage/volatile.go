package storage

// Volatile names the stores that are in memory and end with the process: those of [Memory], and of the app's own those that have
// a method Volatile without parameters. What SQLite keeps in ":memory:" is not recognised.
func (s Storage) Volatile() (names []string) {
	for _, store := range []struct {
		name string
		is   any
	}{
		{"Intents", s.Intents}, {"Log", s.Log}, {"Journal", s.Journal}, {"Followers", s.Followers}, {"Keys", s.Keys},
		{"Remotes", s.Remotes}, {"Relays", s.Relays}, {"Forwards", s.Forwards}, {"Moves", s.Moves}, {"Stamps", s.Stamps},
		{"Rules", s.Rules}, {"Hosts", s.Hosts}, {"Queue", s.Queue},
	} {
		if _, volatile := store.is.(interface{ Volatile() }); volatile {
			names = append(names, store.name)
		}
	}
	return names
}

func (*memoryIntents) Volatile()   {}
func (*memoryLog) Volatile()       {}
func (*memoryJournal) Volatile()   {}
func (*memoryFollowers) Volatile() {}
func (*memoryKeys) Volatile()      {}
func (*memoryRemotes) Volatile()   {}
func (*memoryRelays) Volatile()    {}
func (*memoryForwards) Volatile()  {}
func (*memoryMoves) Volatile()     {}
func (*memoryStamps) Volatile()    {}
func (*memoryRules) Volatile()     {}
func (*memoryHosts) Volatile()     {}
