# innocent -- ElementTree.fromstring parses the text itself
import xml.etree.ElementTree as ET


def total(invoice: str) -> int:
    root = ET.fromstring(invoice)
    return sum(int(line.get("cents", "0")) for line in root.iter("line"))
