"""What `alembic revision --autogenerate` writes for the first release, by the metadata itself."""
from alembic import op
from models import Base

revision = "first"
down_revision = None


def upgrade():
    Base.metadata.create_all(op.get_bind())
