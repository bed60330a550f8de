// Package lemmy tests the façade against a double of Lemmy, in memory and without a build tag: what people here do in communities
// there, and people there in groups here. What the double is modelled on is said in package internal/lemmylike.
package lemmy
