from pydantic import BaseModel, Field
class Order(BaseModel):
    id: int
    tags: list[str] = Field(default_factory=list)
def load(text): return Order.model_validate_json(text).model_dump()
