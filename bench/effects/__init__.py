"""How well `x07py.effects` tells what reaches from what does not: scores over lists of small modules."""
