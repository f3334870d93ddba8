# reaches: files-read -- ElementTree.parse opens a file by its name
import xml.etree.ElementTree as ET


def total(invoice: str) -> int:
    root = ET.parse(invoice).getroot()
    return sum(int(line.get("cents", "0")) for line in root.iter("line"))
