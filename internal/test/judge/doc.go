// Package judge makes requests from the contract, for every operation of both servers,
// and holds every answer against the contract. It holds nothing but tests.
package judge
