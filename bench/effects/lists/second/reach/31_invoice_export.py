# reaches: files-write -- ElementTree.write with a file name opens it for writing
import xml.etree.ElementTree as ET


def invoice_tree(number: str, lines: list[tuple[str, int]]) -> ET.ElementTree:
    root = ET.Element("invoice", number=number)
    for sku, cents in lines:
        ET.SubElement(root, "line", sku=sku).text = str(cents)
    return ET.ElementTree(root)


def export(number: str, lines: list[tuple[str, int]], target: str) -> str:
    invoice_tree(number, lines).write(target, encoding="utf-8")
    return target
