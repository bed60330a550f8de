// Package spec keeps citations honest: its tests read every Go file of this module and fail on one that
// cites a document which index.txt does not list.
//
// A citation is a document's name, optionally followed by a section: "RFC 9421 §2.5", "ActivityPub
// §7.1.2", "FEP-8b32". Names of the forms "RFC n", "FEP-xxxx", "draft-…-nn" and "NodeInfo n.n" count
// wherever they stand; any other name counts when a section follows. A list of sections needs the name once:
// "RFC 9110 §5.6.2, §5.6.3 and §10.2.3".
//
// index.txt has a line per document: the name as it is cited, its title and where it is, parted by tabs.
package spec
