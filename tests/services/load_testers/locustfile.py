"""Users that ask for one operation after the other. Their requests are counted under the code of the answer."""

import os

from locust import HttpUser, task

KEEP_ALIVE = os.environ.get("KEEP_ALIVE", "yes") == "yes"


class User(HttpUser):
    @task
    def operation(self):
        headers = {} if KEEP_ALIVE else {"Connection": "close"}
        with self.client.post("/operations", headers=headers, catch_response=True) as response:
            response.request_meta["name"] = str(response.status_code)
