// Package threads tests the façade against a double of Threads, on loopback and without a build tag: everything that people
// here and there do with each other, and what sets Threads apart while they do. What the double is modelled on, and what
// nobody knows, is said in package internal/threadslike.
package threads
